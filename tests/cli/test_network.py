"""Networks that are not as expected: proxies, login pages, certificates, wrong addresses."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import Finished
from tests.support.commands import assert_error_line, run_in_process
from tests.support.hub import StandInHub
from tests.support.hub import serving as hub_serving
from tests.support.images import encode
from tests.support.web import WebServer, make_certificate, serving

pytestmark = pytest.mark.slow

DEAD = "127.0.0.1:9"  # the port of the discard service, where nothing listens
AGENT = re.compile(r"vipllava/\d+\.\d+\.\d+\b")
_CLEANED = ("proxy", "ssl_cert", "requests_ca", "hf_endpoint")


@pytest.fixture
def web() -> Iterator[WebServer]:
    with serving(WebServer(encode(Image.new("RGB", (40, 20), "red")))) as web:
        yield web


def annotate(folder: Path, address: str, **environment: str) -> Finished:
    """Fetch an image with a command that needs no model."""
    command = ("annotate", address, "--box", "2,2,30,15", "-o", folder / "out.png", "-q", "--force")
    return _run(folder, *command, **environment)


def pull(folder: Path, **environment: str) -> Finished:
    return _run(folder, "models", "pull", "7b", "--yes", "-q", **environment)


def _run(folder: Path, *command: str | Path, **environment: str) -> Finished:
    clean = {
        name: value
        for name, value in os.environ.items()
        if not any(part in name.lower() for part in _CLEANED)
    }
    home = {"VIPLLAVA_HOME": str(folder), "HF_HOME": str(folder / "hf"), "HF_HUB_OFFLINE": "0"}
    return run_in_process(*command, env=clean | home | environment)


# --- proxies ---------------------------------------------------------------------------------

PROXIES = [
    (
        "socks5://127.0.0.1:9",
        "ALL_PROXY is socks5://127.0.0.1:9, and a SOCKS proxy needs the package",
    ),
    ("socks5h://me:secret@127.0.0.1:9", "pip install 'vipllava[socks]'"),
    ("socks4://127.0.0.1:9", "ALL_PROXY is socks4://127.0.0.1:9, which is no usable proxy"),
    ("ftp://127.0.0.1:9", "which is no usable proxy: set it to an address like http://HOST:PORT"),
    ("http://[::1", "which is no usable proxy"),
    (f"http://{DEAD}", f"check the network and the proxy (ALL_PROXY, http://{DEAD})"),
    (f"http://me:secret@{DEAD}", f"(ALL_PROXY, http://…@{DEAD}); NO_PROXY lists"),
]


@pytest.mark.parametrize(("proxy", "message"), PROXIES)
def test_a_proxy_that_cannot_be_used_is_one_line(
    web: WebServer, tmp_path: Path, proxy: str, message: str
) -> None:
    for result, code in (
        (annotate(tmp_path, f"{web.address}/image.png", ALL_PROXY=proxy), 3),
        (pull(tmp_path, ALL_PROXY=proxy, HF_ENDPOINT=web.address), 4),
    ):
        assert_error_line(result, code, message)
        assert "secret" not in result.stderr
    assert web.targets == []
    free = annotate(tmp_path, f"{web.address}/image.png", ALL_PROXY=proxy, NO_PROXY="127.0.0.1")
    assert free.code == 0, free.stderr


def test_requests_go_through_the_proxy(web: WebServer, tmp_path: Path) -> None:
    result = annotate(tmp_path, "http://images.invalid/image.png", HTTP_PROXY=web.address)
    assert result.code == 0, result.stderr
    assert web.targets == ["http://images.invalid/image.png"]


# --- certificates ----------------------------------------------------------------------------


def test_a_certificate_that_is_not_trusted_names_the_remedy(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    with serving(WebServer(encode(Image.new("RGB", (40, 20)))), certificate) as web:
        address = f"{web.address}/image.png"
        message = "its certificate is not trusted (self-signed certificate): set SSL_CERT_FILE"
        assert_error_line(annotate(tmp_path, address), 3, message)
        assert_error_line(pull(tmp_path, HF_ENDPOINT=web.address), 4, message)
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
            result = annotate(tmp_path, address, **{name: str(certificate)})
            assert result.code == 0, result.stderr
            result = annotate(tmp_path, address, **{name: str(tmp_path / "none.pem")})
            assert_error_line(
                result, 3, f"{name} names {tmp_path / 'none.pem'}, which does not exist"
            )


def test_https_at_a_server_without_encryption_is_one_line(web: WebServer, tmp_path: Path) -> None:
    address = web.address.replace("http:", "https:")
    result = annotate(tmp_path, f"{address}/image.png")
    assert_error_line(result, 3, "check whether the address begins with http:// or https://")


# --- images ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("403.png", "403 Forbidden: expected an image; the server refuses programs, or the address"),
        ("404.png", "404 Not Found: expected an image; there is nothing at the address"),
        ("410.png", "410 Gone: expected an image; the image was removed"),
        ("401.png", "it needs a login"),
        ("429.png", "too many requests"),
        ("503.png", "the server has a problem, try again later"),
        ("page.png", "is not an image: expected a JPEG, PNG, WebP, GIF, TIFF or BMP, found a web page"),
    ],
)  # fmt: skip
def test_an_address_without_an_image_is_one_line(
    web: WebServer, tmp_path: Path, page: str, message: str
) -> None:
    secret = f"?X-Amz-Signature=0123abcd&size={'9' * 500}"
    result = annotate(tmp_path, f"{web.address.replace('//', '//me:hidden@')}/{page}{secret}")
    assert_error_line(result, 3, message)
    assert len(result.stderr) < 400
    assert not re.search("hidden|0123abcd", result.stderr)
    assert AGENT.match(web.agents[0])


# --- the hub ---------------------------------------------------------------------------------


def test_a_web_page_in_place_of_the_hub_is_one_line(web: WebServer, tmp_path: Path) -> None:
    for end in ("", "/"):
        result = pull(tmp_path, HF_ENDPOINT=web.address + end)
        message = f"7b cannot be looked up: {web.address} (HF_ENDPOINT) answered with a web page"
        assert_error_line(result, 4, message)
    assert web.agents
    assert all(map(AGENT.match, web.agents)), web.agents


@pytest.mark.parametrize(
    "endpoint",
    [
        "hf-mirror.com", "", " ", "/etc/hosts", "file:///etc/hosts", "http://", "http://[::1",
        "https://hf mirror.com", "http://127.0.0.1:99999",
    ],
)  # fmt: skip
def test_a_wrong_endpoint_is_one_line(tmp_path: Path, endpoint: str) -> None:
    result = pull(tmp_path, HF_ENDPOINT=endpoint)
    assert_error_line(result, 4, "HF_ENDPOINT is ")
    assert "https://huggingface.co, or unset it" in result.stderr


@pytest.mark.parametrize("status", [403, 404, 511])
def test_a_page_that_refuses_asks_to_look_at_it(
    web: WebServer, tmp_path: Path, status: int
) -> None:
    result = pull(tmp_path, HF_ENDPOINT=f"{web.address}/{status}")
    assert_error_line(result, 4, f"(it answered {status}): open the address in a browser")
    assert "check HF_ENDPOINT and the proxy" in result.stderr


def test_an_error_of_the_hub_names_the_endpoint(tmp_path: Path) -> None:
    result = pull(tmp_path, HF_ENDPOINT=f"http://me:secret@{DEAD}")
    assert_error_line(result, 4, f"from http://…@{DEAD} (HF_ENDPOINT)")
    assert "check HF_ENDPOINT, and run the same command" in result.stderr
    with hub_serving(StandInHub("someone/else", {})) as hub:
        result = pull(tmp_path, HF_ENDPOINT=hub.endpoint)
    where = f"on the hub at {hub.endpoint} (HF_ENDPOINT)"
    assert_error_line(result, 4, f"there is no model llava-hf/vip-llava-7b-hf {where}")
