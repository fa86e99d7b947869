"""Text that a person typed, pasted or dropped -> a path, and the question after it."""

from pathlib import Path

import pytest

from vipllava_cli.cli.repl.typed_paths import (
    find_missing_image,
    split_image,
    split_source,
    typed_path,
    unquoted_path,
)


def spellings(path: Path) -> list[str]:
    """Return the forms in which people and terminals write a path."""
    text = str(path)
    escaped = text.replace(" ", "\\ ").replace("'", "\\'").replace("(", "\\(").replace(")", "\\)")
    shell = "'" + text.replace("'", "'\\''") + "'"
    return [
        text,
        f'"{text}"',
        escaped,
        shell,
        path.as_uri(),
        f"file://localhost{path.as_uri()[7:]}",
    ]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An image file whose name needs quotes."""
    path = tmp_path / "my cat's (1).PNG"
    path.write_bytes(b"")
    return path


def test_a_path_is_found_in_every_spelling_alone_and_before_a_question(path: Path) -> None:
    for text in spellings(path):
        assert typed_path(text) == str(path), text
        assert split_image(f"  {text}\n") == (str(path), ""), text
        question = 'what\'s this?\nand "that"?'
        assert split_image(f"{text} {question}") == (str(path), question), text
        assert split_source(text) == (str(path), ""), text
        assert split_source(f"{text} {question}") == (str(path), question), text


def test_a_tilde_is_the_home_folder(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(path.parent))
    for text in (f"~/{path.name}", f'"~/{path.name}"', f"~/'{path.name[:6]}'\"{path.name[6:]}\""):
        assert typed_path(text) == str(path), text
    assert split_image(f'"~/{path.name}" who?') == (str(path), "who?")


def test_a_name_that_exists_as_it_is_typed_is_that_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("'quoted'.png", "back\\ slash.png", "two words.png", "a.png is a name.png"):
        Path(name).write_bytes(b"")
        assert typed_path(name) == name
        assert split_image(f"{name} who?") == (name, "who?")
    Path("a.png").write_bytes(b"")
    assert split_image("a.png is a cat?") == ("a.png", "is a cat?")


def test_a_backslash_before_a_letter_is_no_escape() -> None:
    assert typed_path("C:\\photos\\new.png") == "C:\\photos\\new.png"
    assert typed_path("a\\\\b.png") == "a\\b.png"


def test_an_open_quote_is_completed_without_its_end() -> None:
    assert unquoted_path('"my ca') == "my ca"
    assert unquoted_path("my\\ ca") == "my ca"
    assert typed_path("what's new.png") == "what's new.png"


def test_a_line_without_an_existing_image_is_no_image(path: Path) -> None:
    for text in ("what is it?", f"{path}x", f"is {path} a cat?", "'", "\0.png", "a" * 10**6):
        assert split_image(text) is None
    text_file = path.with_name("notes.txt")
    text_file.write_text("")
    assert split_image(f"{text_file} what?") is None
    assert split_source(f"{text_file} what?") == (str(text_file), "what?")
    assert split_source("missing") == ("missing", "")
    assert split_source("no such file") == ("no such file", "")
    assert split_source("missing.png who is it?") == ("missing.png", "who is it?")


def test_an_address_that_ends_like_an_image_is_an_image() -> None:
    address = "https://example.org/a%20b.jpg?size=2#top"
    assert split_image(address) == (address, "")
    assert split_image(f"{address} what is it?") == (address, "what is it?")
    assert split_image("https://example.org/page what is it?") is None
    assert split_image("http://[ what is it?") is None
    assert split_source("https://example.org/page what?") == ("https://example.org/page", "what?")


def test_a_first_word_like_an_image_that_does_not_exist_is_found(path: Path) -> None:
    assert find_missing_image("missing.png what?") == "missing.png"
    assert find_missing_image("what is missing.png?") is None
    assert find_missing_image(".png files?") is None
    assert find_missing_image(f'"{path}" what?') is None


def test_a_frame_and_the_clipboard_are_images(path: Path) -> None:
    for text in spellings(path)[:4]:
        name = text[:-1] + "#frame=2" + text[-1] if text[-1] in "'\"" else f"{text}#frame=2"
        assert split_image(f"{name} who?") == (f"{path}#frame=2", "who?"), name
        assert split_source(f"{name} who?") == (f"{path}#frame=2", "who?"), name
    assert split_image("clipboard: who?") == ("clipboard:", "who?")
    assert split_source("clipboard: who?") == ("clipboard:", "who?")
    assert split_image("clipboard content?") is None
