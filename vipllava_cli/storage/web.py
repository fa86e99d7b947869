"""Requests to web servers: the client, its proxies and name, and what an error of it means.

All requests of the program go through `make_client`: image addresses, the hub and judges.
"""

import importlib.util
import os
import platform
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import httpx2
from httpx2._utils import get_environment_proxies

from vipllava_cli.storage.web_guard import MIN_BYTES_PER_SECOND, GuardedTransport, ReplyLimits

# Imported by name: the types of the package's lazy names are imported from higher layers.
VERSION: str = import_module("vipllava_cli").__version__
MAX_REDIRECTS = 10
SOCKS_ADVICE = "`pip install 'vipllava[socks]'`"
_PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")
_SOCKS_SCHEMES = ("socks5", "socks5h")
_PROXY_VARIABLES = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY")
_CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")

# The user name and password of an address, before its @.
CREDENTIALS = re.compile(r"(?<=://)[^/?#\s]*@")


class ProxySettingError(httpx2.TransportError):
    """A proxy of the environment cannot be used. The text is one line with advice."""


class UnencryptedRedirectError(httpx2.TransportError):
    """A redirect leads from https:// to http://. The text is one line with advice."""


def user_agent() -> str:
    """Return the name that the program gives to web servers."""
    return (
        f"vipllava/{VERSION} (questions about marked images; Python"
        f" {platform.python_version()}; httpx2 {httpx2.__version__})"
    )


def make_client(
    factory: Callable[..., httpx2.Client] = httpx2.Client,
    *,
    guarded: bool = False,
    limits: ReplyLimits | None = None,
    min_speed: float = MIN_BYTES_PER_SECOND,
    certificates: ssl.SSLContext | None = None,
    **options: Any,
) -> httpx2.Client:
    """Make an HTTP client that follows redirects and uses the proxies of the environment.

    A proxy that cannot be used is an error only of a request that needs it, so that NO_PROXY helps. The
    request then raises ProxySettingError. A `guarded` client ends replies that are slower than
    `min_speed` bytes a second. A client with `limits` also ends replies that are too long: see
    `web_guard`. It sends questions, and refuses to send them again without encryption: a redirect to
    http:// raises UnencryptedRedirectError. Clients of several threads may share the `certificates`
    that `load_certificates` returns.
    """
    if limits is not None:
        options.setdefault("event_hooks", {"response": [_refuse_unencrypted]})
    guard = _Guard(guarded or limits is not None, limits, min_speed)
    options.setdefault("follow_redirects", True)
    options.setdefault("max_redirects", MAX_REDIRECTS)
    mounts = {
        pattern: None if address is None else _LazyProxy(address, guard, certificates)
        for pattern, address in get_environment_proxies().items()
    }
    return factory(transport=_LazyTransport(guard, certificates), mounts=mounts, **options)


def _refuse_unencrypted(response: httpx2.Response) -> None:
    """Raise UnencryptedRedirectError if a reply leads from https:// to http://."""
    address = response.headers.get("Location", "").strip().lower()
    is_encrypted = response.request.url.scheme == "https"
    if response.has_redirect_location and is_encrypted and address.startswith("http:"):
        raise UnencryptedRedirectError(
            "it redirects from https:// to http://, where others can read the questions: check the"
            " address"
        )


@dataclass(frozen=True)
class _Guard:
    """Whether and how the replies to a client are limited."""

    is_on: bool
    limits: ReplyLimits | None
    min_speed: float

    def watch(self, transport: httpx2.HTTPTransport) -> httpx2.BaseTransport:
        if not self.is_on:
            return transport
        return GuardedTransport(transport, self.limits, self.min_speed)


class _LazyTransport(httpx2.BaseTransport):
    """A transport that is made at its first request, when its errors belong to an address."""

    def __init__(self, guard: _Guard, certificates: ssl.SSLContext | None = None) -> None:
        self._transport: httpx2.BaseTransport | None = None
        self._certificates = certificates
        self._lock = threading.Lock()  # threads share a client
        self._guard = guard

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        with self._lock:
            if self._transport is None:
                self._transport = self._guard.watch(self._make())
        return self._transport.handle_request(request)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _make(self) -> httpx2.HTTPTransport:
        return httpx2.HTTPTransport(verify=self._verify())

    def _verify(self) -> Any:
        return self._certificates or _certificates()


class _LazyProxy(_LazyTransport):
    """A transport over a proxy."""

    def __init__(
        self, address: str, guard: _Guard, certificates: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(guard, certificates)
        self._address = address

    def _make(self) -> httpx2.HTTPTransport:
        problem = _proxy_problem(self._address)
        if problem:
            raise ProxySettingError(problem)
        return httpx2.HTTPTransport(verify=self._verify(), proxy=httpx2.Proxy(self._address))


def load_certificates(address: str = "") -> ssl.SSLContext:
    """Load the trusted certificates, which takes about 30 ms.

    Requests to an `address` without encryption, and over no encrypted proxy, need none.
    """
    proxies = get_environment_proxies().values()
    if address.startswith("http://") and not any(str(each).startswith("https") for each in proxies):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody
    return httpx2.create_ssl_context(verify=_certificates())


def _certificates() -> Any:
    """Return the trusted certificates. REQUESTS_CA_BUNDLE counts if SSL_CERT_FILE is not set."""
    bundle = os.environ.get("REQUESTS_CA_BUNDLE")
    if not bundle or any(map(os.environ.get, _CERTIFICATE_VARIABLES)):
        return True
    if os.path.isdir(bundle):
        return ssl.create_default_context(capath=bundle)
    return ssl.create_default_context(cafile=bundle)


# --- proxies ---------------------------------------------------------------------------------


def _proxy_problem(address: str) -> str:
    """Say in one line why a proxy cannot be used, and what to do; empty if it can."""
    named = f"{_proxy_variable(address)} is {hide_password(address)[:100]}"
    try:
        url = httpx2.URL(address)
        host, scheme = url.host, url.scheme
    except (httpx2.InvalidURL, ValueError):
        host = scheme = ""
    if scheme not in _PROXY_SCHEMES or not host:
        return (
            f"{named}, which is no usable proxy: set it to an address like http://HOST:PORT or"
            " socks5://HOST:PORT, or unset it"
        )
    if scheme in _SOCKS_SCHEMES and importlib.util.find_spec("socksio") is None:
        return (
            f"{named}, and a SOCKS proxy needs the package socksio: {SOCKS_ADVICE}, or unset the"
            " variable"
        )
    return ""


def _proxy_variable(address: str) -> str:
    """Return the name of the environment variable that holds a proxy."""
    for name in _PROXY_VARIABLES:
        for spelled in (name, name.lower()):
            value = os.environ.get(spelled)
            if value and address in (value, f"http://{value}"):
                return spelled
    return "the proxy of the system"


def _proxy_in_use(address: str) -> str:
    """Name the proxy that serves an address, empty without one."""
    scheme = address.partition("://")[0].lower()
    proxies = get_environment_proxies()
    found = proxies.get(f"{scheme}://") or proxies.get("all://")
    return f"{_proxy_variable(found)}, {hide_password(found)[:100]}" if found else ""


def hide_password(address: str) -> str:
    """Return an address without its user name and password."""
    return CREDENTIALS.sub("…@", address)


# --- errors ----------------------------------------------------------------------------------


def explain(error: BaseException, address: str) -> str:
    """Say in one line, with advice, why the server at an address cannot be reached.

    The line continues one that names the address. Empty for an error that has no special advice.
    """
    chain = list(_chain(error))
    for each in chain:
        if isinstance(each, ProxySettingError | UnencryptedRedirectError):
            return str(each)
    for each in chain:
        if isinstance(each, ssl.SSLCertVerificationError):
            return (
                f"its certificate is not trusted ({_issuer_problem(each)}): set"
                " SSL_CERT_FILE to a PEM file with the certificate of its authority, which may be"
                " your organization's"
            )
        if isinstance(each, ssl.SSLError):
            return (
                f"the encrypted connection failed ({_tls_reason(each)}): check whether the address"
                " begins with http:// or https://, and SSL_CERT_FILE if it is set"
            )
        if isinstance(each, FileNotFoundError):
            return _missing_certificates()
        if isinstance(each, httpx2.ProxyError):
            return f"the proxy refused ({_first_line(each)}): check {_proxy_in_use(address)}"
    if any(isinstance(each, httpx2.ConnectError) for each in chain):
        proxy = _proxy_in_use(address)
        if proxy:
            return (
                f"the connection failed ({_first_line(chain[0])}): check the network and the proxy"
                f" ({proxy}); NO_PROXY lists servers to reach without it"
            )
    return ""


def _missing_certificates() -> str:
    names = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
    for name in names:
        value = os.environ.get(name)
        if value and not os.path.exists(value):
            return f"{name} names {value}, which does not exist: correct it, or unset it"
    return ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def _issuer_problem(error: ssl.SSLCertVerificationError) -> str:
    return getattr(error, "verify_message", "") or "unknown issuer"  # only OpenSSL sets it


def _tls_reason(error: ssl.SSLError) -> str:
    return (getattr(error, "reason", None) or _first_line(error)).replace("_", " ").lower()


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).partition("\n")[0][:120]
