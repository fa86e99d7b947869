"""Requests to the hub: two kinds of JSON replies and files, each within limits.

huggingface_hub 2.4.0 is not used for requests: it puts a reply's ETag and commit into paths of the
cache without a check, reads replies, redirects and listings without an end, waits for minutes on a
stalled one, and restarts files at their first byte. Its settings and its cache layout are used.
"""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx2
from huggingface_hub import constants, set_client_factory
from huggingface_hub.utils._headers import get_token_to_send

from vipllava_cli.engine.hub.checkpoints import HubName
from vipllava_cli.engine.hub.download_errors import (
    CONTINUE,
    TransferError,
    foreign_answer,
    library_calls,
    offline,
    refusal,
    unreachable,
    unreadable_token,
    unusable_token,
)
from vipllava_cli.engine.hub.endpoint import check_endpoint
from vipllava_cli.engine.hub.outside_values import RemoteFile
from vipllava_cli.storage.web import MAX_REDIRECTS, make_client, user_agent
from vipllava_cli.storage.web_guard import ReplyLimits, body_chunks

MAX_REPLY = 4 << 20  # bytes of JSON
MAX_PAGES = 100
MAX_WAIT = 60.0  # seconds that the hub may ask to wait before one request
MAX_FAILURES = 4  # without progress in between
ENOUGH_PROGRESS = 1 << 20  # bytes

_CONNECT_SECONDS = 10.0
_TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_CONTENT_RANGE = re.compile(r"bytes (\d{1,20})-(\d{1,20})/(\d{1,20}|\*)", re.ASCII)
_SIZE = re.compile(r"\d{1,20}", re.ASCII)
_SECONDS = re.compile(r"\d{1,9}", re.ASCII)


class HubClient:
    """The hub as the source of one model. `note` shows the user a line while a request waits."""

    def __init__(self, name: str, hub: HubName, note: Callable[[str], None]) -> None:
        check_endpoint()
        if constants.is_offline_mode():
            raise offline(name)
        self.name = name
        self.hub = hub
        self.note = note
        self._said: set[str] = set()
        self._failures = 0
        self._was_reached = False
        self._client = _make_client()
        self._headers = self._request_headers()

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> "HubClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def look_up_commit(self) -> object:
        """Return the reply about the revision. Raises ModelError."""
        path = f"api/models/{self.hub.repository}/revision/{quote(self.hub.revision, safe='')}"
        return self._retry(lambda: self._json(path)[0])

    def listing(self, commit: str) -> Iterator[list[Any]]:
        """Yield the pages of the list of files at a commit. Raises ModelError."""
        path = f"api/models/{self.hub.repository}/tree/{commit}"
        cursor = None
        for _ in range(MAX_PAGES):
            query = f"?cursor={quote(cursor, safe='')}" if cursor else ""
            page, following = self._retry(lambda query=query: self._json(path + query))  # type: ignore[misc]
            if not isinstance(page, list):
                raise foreign_answer(self.name, "the list of files is no list")
            yield page
            if following is None:
                return
            if following == cursor or not page:
                break
            cursor = following
        raise foreign_answer(self.name, "the list of files has no end")

    def receive(
        self, file: RemoteFile, commit: str, first: int, write: Callable[[bytes], None]
    ) -> None:
        """Write the bytes of a file from `first` on, and no more than its size. Raises ModelError.

        Continues after a connection that breaks. A server that refuses a part, or sends another, is
        asked for the whole file instead. Errors of `write` are not changed.
        """
        at, asks_for_parts = first, True
        while at < file.size:
            try:
                with self._file(file, commit, at, asks_for_parts) as chunks:
                    while (chunk := self._next(chunks)) is not None:
                        write(chunk)
                        at += len(chunk)
                        if at - first >= ENOUGH_PROGRESS:
                            first, self._failures = at, 0
                if at < file.size:
                    raise TransferError(f"{file.name} ended after {at} of {file.size} bytes")
            except _NoPartError:
                asks_for_parts = False
            except TransferError as error:
                self._count_failure(error)

    # --- replies -----------------------------------------------------------------------------

    def _json(self, path: str) -> tuple[Any, str | None]:
        """Return a JSON reply, and the cursor of the next page if there is one."""
        address = f"{constants.ENDPOINT}/{path}"
        with self._response(address, {}) as response:
            if response.status_code != httpx2.codes.OK:
                raise refusal(self.name, self.hub, response.status_code, response.headers)
            with library_calls(self.name):
                body = b"".join(body_chunks(response, MAX_REPLY + 1))
                if len(body) > MAX_REPLY:
                    raise foreign_answer(self.name, f"more than {MAX_REPLY >> 20} MiB")
                return json.loads(body), _next_cursor(response)

    @contextmanager
    def _file(
        self, file: RemoteFile, commit: str, first: int, asks_for_part: bool
    ) -> Iterator[Iterator[bytes]]:
        """Open a file at its byte `first`. Yields the chunks up to its size.

        Raises _NoPartError if the server does not send the part that it is asked for.
        """
        address = f"{constants.ENDPOINT}/{self.hub.repository}/resolve/{commit}/{quote(file.name)}"
        headers = {"Range": f"bytes={first}-"} if first and asks_for_part else {}
        with self._response(address, headers) as response:
            if headers and not _is_part_or_whole(response, first):
                raise _NoPartError(f"it sent another part of {file.name}")
            skipped = self._check_file(response, file, first)
            with library_calls(self.name):
                chunks = body_chunks(response, file.size - first + skipped)
            yield _without_first(chunks, skipped)

    def _check_file(self, response: httpx2.Response, file: RemoteFile, first: int) -> int:
        """Check the head of a reply with a file. Returns how many bytes of it are not needed."""
        status, headers = response.status_code, response.headers
        if status not in (httpx2.codes.OK, httpx2.codes.PARTIAL_CONTENT):
            raise refusal(self.name, self.hub, status, headers)
        if headers.get("Content-Type", "").strip().lower().startswith("text/html"):
            raise foreign_answer(self.name, f"a web page in place of {file.name}")
        is_packed = _is_packed(response)
        if status == httpx2.codes.PARTIAL_CONTENT:
            found = _sent_part(response, first)
            if not found:
                raise foreign_answer(self.name, f"another part of {file.name}")
            whole, skipped = found[3], 0
        else:  # a server may ignore which part was asked for
            whole, skipped = "*" if is_packed else headers.get("Content-Length", "*"), first
        if whole != "*" and not (_SIZE.fullmatch(whole) and int(whole) == file.size):
            sizes = f"{file.name} with {whole[:20]} in place of {file.size} bytes"
            raise foreign_answer(self.name, sizes)
        return skipped

    @contextmanager
    def _response(self, address: str, headers: Mapping[str, str]) -> Iterator[httpx2.Response]:
        """Send a request, and follow redirects without reading their bodies."""
        with library_calls(self.name):
            request = self._client.build_request(
                "GET", address, headers=dict(self._headers) | dict(headers)
            )
            response = self._client.send(request, stream=True, follow_redirects=False)
        try:
            for _ in range(MAX_REDIRECTS):
                if not response.has_redirect_location:
                    break
                response = self._follow(response)
            if response.has_redirect_location:
                raise unreachable(self.name, "it redirects too often")
            self._was_reached = True
            if response.status_code in _TRY_AGAIN:
                raise _BusyError(response.status_code, response.headers.get("Retry-After", ""))
            yield response
        finally:
            response.close()

    def _follow(self, response: httpx2.Response) -> httpx2.Response:
        """Send the next request of a redirect. The library drops the token for another server."""
        request, came_from = response.next_request, response.url
        response.close()
        if request is None or request.url.scheme not in ("http", "https") or not request.url.host:
            raise unreachable(self.name, "it redirects to no valid address")
        if (came_from.scheme, request.url.scheme) == ("https", "http"):
            raise unreachable(self.name, "it redirects to an address without encryption")
        with library_calls(self.name):
            return self._client.send(request, stream=True, follow_redirects=False)

    def _next(self, chunks: Iterator[bytes]) -> bytes | None:
        with library_calls(self.name):
            return next(chunks, None)

    # --- failures ----------------------------------------------------------------------------

    def _retry(self, ask: Callable[[], Any]) -> Any:
        """Call `ask` until it succeeds, within MAX_FAILURES."""
        while True:
            try:
                result = ask()
            except TransferError as error:
                self._count_failure(error)
            else:
                self._failures = 0
                return result

    def _count_failure(self, error: TransferError) -> None:
        """Wait before the next try. Raises ModelError if there were too many."""
        self._failures += 1
        is_connected = self._was_reached or not isinstance(error.__cause__, httpx2.ConnectError)
        if self._failures >= MAX_FAILURES or not is_connected:
            raise unreachable(self.name, str(error)) from error
        seconds = error.wait if isinstance(error, _BusyError) else None
        if seconds is None:
            time.sleep(2 ** (self._failures - 2))  # 0.5, 1, 2 seconds
        elif seconds > MAX_WAIT:
            raise unreachable(
                self.name,
                f"{error} and asks to wait {seconds:.0f} s",
                f"wait, then {CONTINUE}",
            ) from error
        else:
            status = str(error).removeprefix("it ")
            self._say_once(f"the hub {status}: waiting {seconds:.0f} s as it asks")
            time.sleep(seconds)

    def _say_once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self.note(text)

    def _request_headers(self) -> Mapping[str, str]:
        """Return the headers of all requests, the user's token among them. Raises ModelError."""
        # huggingface_hub 2.4.0 raises errors of many kinds for an unreadable token file, and
        # returns tokens that are not ASCII, which no header can hold. Its `build_hf_headers` would ask
        # the hub for a list of agents, and keep a reply of any length.
        set_client_factory(_make_limited_client)  # it renews a token with requests of its own
        try:
            token = get_token_to_send(None) or ""
        except Exception as error:
            if isinstance(error, OSError) and error.filename:
                raise unreadable_token(error) from error
            raise unusable_token(self.name, " ".join(str(error).split())[:120]) from error
        if not (token.isascii() and token.isprintable()):
            raise unusable_token(self.name, "it has characters that no token has")
        headers = {"User-Agent": user_agent(), "Accept-Encoding": "identity"}
        return headers | ({"Authorization": f"Bearer {token}"} if token else {})


class _BusyError(TransferError):
    """The hub asks to try later. `wait` is the time that it names, in seconds."""

    def __init__(self, status: int, retry_after: str) -> None:
        super().__init__(f"it answered {status}")
        is_number = _SECONDS.fullmatch(retry_after.strip())
        self.wait = float(retry_after) if is_number else None


class _NoPartError(TransferError):
    """A server does not send the part of a file that it was asked for."""


def _is_part_or_whole(response: httpx2.Response, first: int) -> bool:
    """Return whether a reply to a request for a part may be that part, or the whole file."""
    if response.status_code == httpx2.codes.PARTIAL_CONTENT:
        return _sent_part(response, first) is not None
    return response.status_code != httpx2.codes.REQUESTED_RANGE_NOT_SATISFIABLE


def _sent_part(response: httpx2.Response, first: int) -> re.Match[str] | None:
    """Return the match of the range of a reply that begins at the byte `first`."""
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    return found if found and int(found[1]) == first and not _is_packed(response) else None


def _is_packed(response: httpx2.Response) -> bool:
    encoding = response.headers.get("Content-Encoding", "identity")
    return encoding.lower() not in ("", "identity")


def _make_limited_client() -> httpx2.Client:
    return _make_client(ReplyLimits(MAX_REPLY, MAX_WAIT))


def _make_client(limits: ReplyLimits | None = None) -> httpx2.Client:
    """Make a client with the proxies of all requests of the program, and with time-outs."""
    seconds = max(1.0, float(constants.HF_HUB_DOWNLOAD_TIMEOUT))
    return make_client(
        guarded=True,
        limits=limits,
        headers={"User-Agent": user_agent()},
        timeout=httpx2.Timeout(seconds, connect=max(seconds, _CONNECT_SECONDS)),
    )


def _next_cursor(response: httpx2.Response) -> str | None:
    """Return the cursor of the next page. The rest of its address is not used."""
    address = response.links.get("next", {}).get("url")
    if address is None:
        return None
    cursors = parse_qs(urlsplit(address).query, max_num_fields=20).get("cursor")
    if not cursors or len(cursors[0]) > 2000:
        raise ValueError("the address of its next page has no cursor")
    return cursors[0]


def _without_first(chunks: Iterator[bytes], count: int) -> Iterator[bytes]:
    """Yield chunks without their first `count` bytes."""
    for chunk in chunks:
        if len(chunk) > count:
            yield chunk[count:]
        count = max(count - len(chunk), 0)
