"""The arguments of `ask` as people type them: words without quotes, another order, mistakes."""

import shlex
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import Run
from tests.support.commands import assert_error_line
from vipllava_cli.cli.ask_arguments import MAX_LISTED_IMAGES, join_words, read_arguments
from vipllava_cli.errors import ExitCode, InputError, UsageError


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with two images, a text and a folder of images."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for name in ("cat.png", "my dog.png", "photos/bird.png"):
        Image.new("RGB", (40, 20)).save(name)
    (tmp_path / "notes").write_text("a text")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "questions"),
    [
        (["what", "is", "in", "the", "red", "box"], ["what is in the red box"]),
        (["what", "is", "{1}?"], ["what is {1}?"]),
        (["cat?"], ["cat?"]),
        (["cat"], ["cat"]),
        (["cat?", "dog?"], ["cat?", "dog?"]),
        (["what is it?", "what colour is it?"], ["what is it?", "what colour is it?"]),
        (["is it red", "is it blue"], ["is it red", "is it blue"]),
        (["is it red", "is it blue", "why?"], ["is it red", "is it blue", "why?"]),
        (["what", "is", "it?", "what", "colour?"], ["what is it?", "what colour?"]),
        (["is it red?", "what", "else", "is", "it"], ["is it red?", "what else is it"]),
        (["what", "is", "the red box", "on"], ["what is the red box on"]),
        (["what", "is", "the red box?", "why?"], ["what is the red box?", "why?"]),
        (["what", "is", "this", "?"], ["what is this ?"]),
        (["这是什么\uff1f", "为什么\uff1f"], ["这是什么\uff1f", "为什么\uff1f"]),
        ([""], [""]),
    ],
)
def test_words_are_joined_to_questions(arguments: list[str], questions: list[str]) -> None:
    assert join_words(arguments) == questions


@pytest.mark.parametrize(
    ("arguments", "image", "question"),
    [
        (["cat.png", "what is it?"], "cat.png", "what is it?"),
        (["what is it?", "cat.png"], "cat.png", "what is it?"),
        (["what", "is", "it", "cat.png"], "cat.png", "what is it"),
        (["what", "is", "cat.png", "about"], "cat.png", "what is about"),
        (["what is in my dog.png", "my dog.png"], "my dog.png", "what is in my dog.png"),
        (["what is it?", "-"], "-", "what is it?"),
        (["-", "what", "is", "it"], "-", "what is it"),
        (["what is it?", "clipboard:"], "clipboard:", "what is it?"),
        (["cat.png", "what is in cat.png?"], "cat.png", "what is in cat.png?"),
        (["what is it?", "https://host/cat"], "https://host/cat", "what is it?"),
        (["what is it?", "notes"], "notes", "what is it?"),
        (["my", "dog.png", "what is it?"], "my dog.png", "what is it?"),
        (["my", "dog.png", "what", "is", "it?"], "my dog.png", "what is it?"),
        (["what is it?", "./my", "dog.png"], "./my dog.png", "what is it?"),
        (["cat.png", "is", "this", "-", "a", "cat?"], "cat.png", "is this - a cat?"),
        (["cat.png", "what", "is", "in", "photos?"], "cat.png", "what is in photos?"),
        (["what", "is", "in", "photos", "cat.png"], "cat.png", "what is in photos"),
        (["photos", "like", "this?", "cat.png"], "cat.png", "photos like this?"),
        (["missing.png", "what is it?"], "missing.png", "what is it?"),
        (["missing.png", "what", "is", "in", "photos"], "missing.png", "what is in photos"),
        (["what is it?", "missing.png"], "missing.png", "what is it?"),
        (["some/image", "what is it?"], "some/image", "what is it?"),
        (["", "what is it?"], "", "what is it?"),
    ],
)
def test_the_image_is_told_from_the_question(
    arguments: list[str], image: str, question: str
) -> None:
    given = read_arguments(arguments)
    assert (given.image, given.questions) == (image, (question,))


def test_a_note_says_what_was_guessed() -> None:
    assert read_arguments(["my", "dog.png", "what is it?"]).notes == (
        "took my dog.png as the image, and the rest as the question",
    )
    assert read_arguments(["cat.png", "what is it?", "what colour is it?"]).notes == ()
    assert read_arguments(["cat.png", "cat?"]).notes == ()
    assert read_arguments(["what", "is", "it", "cat.png"]).notes == (
        "took cat.png as the image, and the rest as the question",
        'asking "what is it" as one question; to ask several, put each in quotes',
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], 'ask needs an image and a question, as in `vipllava ask cat.jpg "what is this?"`'),
        (
            ["cat.png"],
            'ask needs a question after the image, as in `vipllava ask cat.png "what is this?"`',
        ),
        (
            ["my dog.png"],
            "ask needs a question after the image, as in"
            ' `vipllava ask "my dog.png" "what is this?"`',
        ),
        (
            ["is it $5?"],
            "ask needs an image before the question, as in `vipllava ask cat.jpg 'is it $5?'`",
        ),
        (
            ["cat.png", "what", "is", "in", "notes"],
            "notes is a file, not a question: put the question in quotes, so that the shell does"
            " not replace a ? or * in it by the names of files",
        ),
        (
            ["*.png", "what is it?"],
            "*.png is a pattern, and ask takes one image: name a file, or use"
            ' `vipllava batch "*.png" --question "what is it?" --out answers.jsonl`, with the'
            " same options",
        ),
        (
            ["cat.png", "my dog.png", "what", "is", "it?"],
            'ask takes one image, found 2: use `vipllava batch cat.png "my dog.png" --question'
            ' "what is it?" --out answers.jsonl`, with the same options',
        ),
        (
            ["cat.png", "missing.png", "what is it?"],
            "ask takes one image, found 2: use `vipllava batch cat.png missing.png --question"
            ' "what is it?" --out answers.jsonl`, with the same options',
        ),
        (
            ["what is it?", "why?", "cat.png", "https://host/cat"],
            "ask takes one image, found 2: use `vipllava batch cat.png https://host/cat --question"
            ' "what is it?" --question "why?" --out answers.jsonl`, with the same options',
        ),
    ],
)
def test_wrong_usage_is_one_line_with_a_command_that_works(
    arguments: list[str], message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        read_arguments(arguments)
    assert str(caught.value) == message


@pytest.mark.parametrize("arguments", [["photos", "what is it?"], ["what is it?", "photos"]])
def test_a_folder_leads_to_a_batch_command_that_works(arguments: list[str], run: Run) -> None:
    with pytest.raises(InputError, match="photos is a folder, and ask takes one image") as caught:
        read_arguments(arguments)
    command = str(caught.value).split("`")[1]
    assert shlex.split(command)[:3] == ["vipllava", "batch", "photos"]
    result = run(*shlex.split(command)[1:], "--dry-run")
    assert (result.code, result.stdout) == (0, "would ask\tbird.png\twhat is it?\n")


def test_words_without_an_image_are_one_line(run: Run) -> None:
    result = run("ask", "what", "is", "this")
    message = "there is no file what, and no other argument is an image: give the image first"
    assert_error_line(result, ExitCode.INPUT, message)
    assert_error_line(run("ask"), ExitCode.USAGE, "ask needs an image and a question")


def test_a_misspelled_image_is_named_with_the_one_that_was_meant(run: Run) -> None:
    for arguments in (["catt.png", "what?"], ["what is it?", "catt.png"], ["Cat.PNG", "what?"]):
        assert_error_line(run("ask", *arguments), ExitCode.INPUT, "did you mean cat.png?")


def test_many_images_are_named_by_a_pattern_that_matches_no_other_file(folder: Path) -> None:
    names = [f"photos/{number}.jpg" for number in range(MAX_LISTED_IMAGES + 1)]
    for name in names:
        Path(name).touch()
    with pytest.raises(UsageError, match=r"batch photos/\*\.jpg --question"):
        read_arguments([*names, "what is it?"])
    Path("photos/other.jpg").touch()
    with pytest.raises(UsageError, match=r"batch photos/0\.jpg photos/1\.jpg .*photos/5\.jpg --q"):
        read_arguments([*names, "what is it?"])
