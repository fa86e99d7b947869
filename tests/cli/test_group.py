"""`vipllava IMAGE QUESTION` means `vipllava ask IMAGE QUESTION`."""

import shutil
from pathlib import Path

import pytest

from tests.conftest import SAMPLES, Run
from tests.support.commands import assert_error_line
from vipllava_cli.cli.group import is_image_source
from vipllava_cli.errors import ExitCode

ZOO = SAMPLES / "zoo-red-box.png"
QUESTION = "what is in the red box?"


@pytest.mark.model
@pytest.mark.usefixtures("opened_once")
@pytest.mark.parametrize("options", [["-m", "tiny"], ["--model=tiny", "-q"], ["-q", "-mtiny"]])
def test_an_image_in_front_is_asked(run: Run, options: list[str]) -> None:
    for words in ([ZOO, QUESTION, *options], [*options, ZOO, QUESTION]):
        result = run(*words)
        assert (result.code, result.stdout, result.stderr) == (0, "a penguin\n", "")


@pytest.mark.model
@pytest.mark.usefixtures("opened_once")
def test_a_question_in_front_of_an_image_is_asked(run: Run) -> None:
    result = run(QUESTION, ZOO, "--model", "tiny")
    assert (result.code, result.stdout) == (0, "a penguin\n")
    assert result.stderr == f"note: took {ZOO} as the image, and the rest as the question\n"


@pytest.mark.parametrize(
    ("word", "is_image"),
    [
        ("-", True),
        ("https://example.org/a.png", True),
        ("HTTP://example.org/a", True),
        ("file:///a.png", True),
        ("clipboard:", True),
        (str(ZOO), True),
        (f"{ZOO}#frame=2", True),
        ("README.md", False),
        ("nonesuch.png", False),
        ("tests", False),
    ],
)
def test_an_image_is_a_file_or_an_address(word: str, is_image: bool) -> None:
    assert is_image_source(word) == is_image


def test_a_path_may_start_with_the_home_folder_and_have_no_suffix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    shutil.copy(ZOO, tmp_path / "photo")
    assert is_image_source("~/photo")


def test_an_image_without_a_question_needs_one(run: Run) -> None:
    assert_error_line(
        run(ZOO), ExitCode.USAGE, "ask needs a question after the image, as in `vipllava ask "
    )
    assert_error_line(
        run("--zoom", ZOO),
        ExitCode.USAGE,
        "ask needs a question after the image, as in `vipllava ask ",
    )


def test_the_help_of_an_image_is_that_of_ask(run: Run) -> None:
    assert run(ZOO, "--help").stdout == run("ask", "--help").stdout


def test_a_subcommand_wins_over_a_file_of_its_name(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(ZOO, tmp_path / "version")
    assert run("version").stdout.startswith("vipllava ")


def test_a_misspelled_image_leads_to_the_image_beside_it(run: Run) -> None:
    misspelled = ZOO.with_name("zoo-red-bx.png")
    assert_error_line(run(misspelled, QUESTION), ExitCode.USAGE, f"did you mean {ZOO}?")
