"""Models on servers: what the settings hold, and where keys come from."""

import json
from pathlib import Path

import pytest

from vipllava_cli.engine.open import find_server
from vipllava_cli.engine.server.config import make_server_model, parse_url
from vipllava_cli.engine.server.keys import find_key
from vipllava_cli.engine.server.opening import ServerOptions, open_server
from vipllava_cli.errors import ModelError, UsageError


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://localhost:11434/v1", "http://localhost:11434/v1"),
        (" http://localhost:11434/v1/ ", "http://localhost:11434/v1"),
        ("https://x.org/v1/chat/completions", "https://x.org/v1"),
        ("https://x.org/a?api-version=1", "https://x.org/a?api-version=1"),
    ],
)
def test_reads_the_address(text: str, url: str) -> None:
    assert parse_url(text) == url


@pytest.mark.parametrize(
    "text",
    [
        "localhost:11434",
        "ftp://x.org",
        "",
        "http://x.org:99999",
        "http://x.org:0/v1",
        "http://me:s3cret@x.org",
        "http://x.org?key=s3cret",
    ],
)
def test_refuses_other_addresses_without_their_secrets(text: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_url(text)
    assert "s3cret" not in str(error.value)


def test_refuses_names_of_other_models() -> None:
    for name in ("tiny", "7B", "a/b", "-x", "a b", "openai:x", ""):
        with pytest.raises(UsageError, match="cannot name a server"):
            make_server_model(name, "http://x.org", "m")
    with pytest.raises(UsageError) as error:
        make_server_model("box", "http://x.org", "m", "sk-s3cret")
    assert "s3cret" not in str(error.value)


def test_takes_the_key_of_a_server_from_its_own_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    server = make_server_model("my-box.2", "http://x.org", "m")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai")  # it belongs to another server
    assert not find_key(server).value
    monkeypatch.setenv("VIPLLAVA_KEY_MY_BOX_2", " sk-box\n")
    key = find_key(server)
    assert (key.value, key.origin) == ("sk-box", "VIPLLAVA_KEY_MY_BOX_2")
    assert "sk-box" not in f"{key} {key!r}"
    monkeypatch.setenv("OTHER", "sk-other")
    assert find_key(make_server_model("b", "http://x.org", "m", "OTHER")).value == "sk-other"
    monkeypatch.setenv("OTHER", "sk\x00ö".replace("\x00", ""))
    with pytest.raises(ModelError, match="OTHER holds characters that no key has"):
        find_key(make_server_model("b", "http://x.org", "m", "OTHER"))


def test_honours_the_variables_of_openai(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai")
    server = find_server("openai:gpt-x")
    assert server is not None
    assert (server.url, server.model) == ("https://api.openai.com/v1", "gpt-x")
    assert find_key(server).value == "sk-openai"
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:1/v1/")
    server = find_server("openai:gpt-x")
    assert server is not None
    assert server.url == "http://localhost:1/v1"
    with pytest.raises(ModelError, match="openai: needs the name of a model"):
        find_server("openai:")


def test_names_damaged_settings(home: Path) -> None:
    path = home / "config" / "settings.json"
    path.parent.mkdir(parents=True)
    for entry in ({}, {"url": "x", "model": "m"}, {"url": "http://x", "model": "m", "prices": [1]}):
        path.write_text(json.dumps({"servers": {"box": entry}}))
        with pytest.raises(UsageError, match=r"the server 'box' in .* add it again"):
            find_server("box")
    path.write_text(json.dumps({"servers": {"box": 3}}))
    with pytest.raises(UsageError, match="servers must be an object of objects"):
        find_server("box")


@pytest.mark.parametrize(
    ("url", "is_noted"),
    [
        ("http://localhost:9/v1", False),
        ("http://[::1]:9/v1", False),
        ("https://192.0.2.1/v1", False),
        ("http://192.0.2.1/v1", True),
    ],
)
def test_notes_a_key_that_travels_unencrypted(
    url: str, is_noted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIPLLAVA_KEY_BOX", "sk-box")
    notes: list[str] = []
    server = make_server_model("box", url, "m")
    open_server(server, ServerOptions(checks_images=False), notes.append)
    assert [f"travels unencrypted to {url}: use an https:// address" in note for note in notes] == [
        True
    ] * is_noted
