"""Every exception that a library can raise, at every call of one: one line of this program."""

import builtins
import json
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpcore2
import httpx2
import pytest
from huggingface_hub import errors as hub_errors

from tests.support.hub import StandInHub
from vipllava_cli.engine.hub import client, download
from vipllava_cli.engine.hub.checkpoints import HubName
from vipllava_cli.engine.hub.registry import PUBLISHED
from vipllava_cli.errors import InputError, ModelError, VipllavaError
from vipllava_cli.storage import web

pytest_plugins = ("tests.support.hub_fixtures",)
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("online")]

HUB_NAME = HubName(PUBLISHED["7b"].repository, "main")
REQUEST = httpx2.Request("GET", "http://127.0.0.1/")
ARGUMENTS: tuple[tuple[Any, ...], ...] = (
    ("what\nit says",),
    (),
    ("utf-8", b"x", 0, 1, "why"),
    ("utf-8", "x", 0, 1, "why"),
    ("what", "{", 0),
    ("what", "why"),
    ("x", 0, 1, "why"),
    ("what", REQUEST, httpx2.Response(500, request=REQUEST)),
)


def exceptions() -> Iterator[Exception]:
    """Make one exception of each class of the libraries and of Python."""
    modules = (httpx2, httpcore2, hub_errors, ssl, json, builtins)
    kinds = {each for module in modules for each in vars(module).values() if isinstance(each, type)}
    for kind in sorted(kinds - {MemoryError}, key=repr):
        if issubclass(kind, Exception) and not issubclass(kind, Warning):
            yield make(kind)


def make(kind: type[Exception]) -> Exception:
    if issubclass(kind, ExceptionGroup):
        return kind("what", [ValueError()])
    for arguments in ARGUMENTS:
        try:
            return kind(*arguments)
        except (TypeError, AttributeError):
            continue
    response = httpx2.Response(500, request=REQUEST)
    named: tuple[dict[str, Any], ...] = ({"response": response}, {"request": REQUEST})
    for keywords in (*named, named[0] | named[1]):
        try:
            return kind("what", **keywords)
        except TypeError:
            continue
    return kind.__new__(kind, "what")  # one whose arguments are of its own


def patched_send(error: Exception) -> tuple[Any, str, Any]:
    return httpx2.Client, "send", raising(error)


def patched_request(error: Exception) -> tuple[Any, str, Any]:
    return httpx2.Client, "build_request", raising(error)


def patched_body(error: Exception) -> tuple[Any, str, Any]:
    return httpx2.Response, "iter_raw", raising(error)


def patched_json(error: Exception) -> tuple[Any, str, Any]:
    return json, "loads", raising(error)


def patched_links(error: Exception) -> tuple[Any, str, Any]:
    return httpx2.Response, "links", property(raising(error))


def patched_token(error: Exception) -> tuple[Any, str, Any]:
    return client, "get_token_to_send", raising(error)


def raising(error: Exception) -> Callable[..., Any]:
    def call(*_: object, **__: object) -> Any:
        raise error

    return call


@pytest.mark.parametrize(
    "patched",
    [patched_send, patched_request, patched_body, patched_json, patched_links, patched_token],
)
def test_every_exception_of_a_library_is_one_line(
    patched: Callable[[Exception], tuple[Any, str, Any]],
    hub: StandInHub,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr(web, "_certificates", lambda: False)  # takes time, and no test needs them
    count = 0
    for error in exceptions():
        with monkeypatch.context() as patch:
            patch.setattr(*patched(error))
            with pytest.raises((ModelError, InputError)) as raised:
                download.look_up("7b", HUB_NAME, print)
        assert 20 < len(str(raised.value)) < 500
        assert "\n" not in str(raised.value)
        count += 1
    assert count > 100


@pytest.mark.parametrize("name", ["open", "replace", "mkdir", "unlink", "stat"])
@pytest.mark.parametrize(
    ("number", "expected"), [(28, "is full"), (13, "cannot be used"), (30, "cannot be used")]
)
def test_every_error_of_the_disk_is_one_line(
    name: str, number: int, expected: str, hub: StandInHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = download.look_up("7b", HUB_NAME, print)
    original = getattr(Path, name)

    def fail(path: Path, *arguments: Any, **options: Any) -> Any:
        if "models--" in str(path):
            raise OSError(number, "what it says")
        return original(path, *arguments, **options)

    hub.damaged = name == "unlink"
    with monkeypatch.context() as patch:
        patch.setattr(Path, name, fail)
        with pytest.raises(InputError, match=expected) as raised:
            download.fetch("7b", remote, lambda _: None, print)
    assert "\n" not in str(raised.value)


def test_a_file_system_without_links_gets_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    remote = download.look_up("7b", HUB_NAME, print)
    monkeypatch.setattr(Path, "symlink_to", raising(OSError(1, "no")))
    monkeypatch.setattr("os.link", raising(OSError(1, "no")))
    snapshot = download.fetch("7b", remote, lambda _: None, print)
    assert all((snapshot / file.name).stat().st_size == file.size for file in remote.files)


@pytest.mark.parametrize("token", ["hf_é", "hf_\x01", "hf_a b\tc", "hf_\N{SNOWMAN}" * 9])
def test_a_token_that_no_header_can_hold_is_one_line(
    token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(ModelError, match="the token of HF_TOKEN or `hf auth login` cannot be used"):
        download.look_up("7b", HUB_NAME, print)


@pytest.mark.parametrize(
    "name",
    ["a/..", "../b", "a/b\\..", "a/b c", "a/b\x1b[2J", "a--b/c", "a/b.git", "a/" + "b" * 200],
)
def test_a_name_that_could_be_a_path_is_one_line(name: str) -> None:
    from vipllava_cli.engine.hub.checkpoints import hub_name

    with pytest.raises(VipllavaError) as raised:
        hub_name(name)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "revision", ["..", "../x", "/etc", "a/../b", "a//b", "a\\b", "x\n", "", " ", "C:x", ".x", "a/"]
)
def test_a_revision_that_could_be_a_path_is_one_line(revision: str) -> None:
    from vipllava_cli.engine.hub.outside_values import check_revision

    with pytest.raises(ModelError, match="is no branch, tag or commit"):
        check_revision(revision)


@pytest.mark.parametrize("revision", ["main", "v1.0", "refs/pr/1", "feature/a-b_c@2+x", "f" * 40])
def test_revisions_of_git_are_accepted(revision: str) -> None:
    from vipllava_cli.engine.hub.outside_values import check_revision

    check_revision(revision)
