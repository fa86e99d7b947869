"""Wrong usage: what was expected, what was found, an example that works."""

from pathlib import Path

import pytest

from tests.conftest import SAMPLES, Run
from tests.support.commands import assert_error_line
from vipllava_cli.errors import ExitCode

ZOO = str(SAMPLES / "zoo-red-box.png")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["ask", ZOO], "ask needs a question after the image, as in `vipllava ask "),
        (["compare"], "needs results, as in `vipllava compare answers.jsonl --truth label`"),
        (["eval", "visual7w"], "needs --data DIR and --out DIR, as in `vipllava eval visual7w"),
        (["annotate", ZOO, "b.png"], "unexpected 'b.png': vipllava annotate takes only image"),
        (["version", "7b"], "unexpected '7b': vipllava version takes no arguments"),
        (["ask", ZOO, "--question", "q"], "write the question without --question, as in"),
        (["ask", ZOO, "q", "-Q"], "unknown option -Q; did you mean -q?"),
        (["ask", ZOO, "q", "-z"], "unknown option -z: `vipllava ask --help` lists the options"),
        (["ask", ZOO, "q", "--per", "x"], "of vipllava ask: it belongs to vipllava batch"),
        (["ask", ZOO, "q", "--max-new-tokens", "0"], "expected a whole number from 1 to"),
        (["ask", ZOO, "q", "--width", "wide"], "invalid --width 'wide': expected a number"),
        (
            ["plan", "--length", "0"],
            "invalid --length '0': expected a whole number from 1 to 1000000000",
        ),
        (["ask", ZOO, "q", "--template", "vicunna"], "vicuna or chat; did you mean vicuna?"),
        (["models", "pul"], "unknown command 'pul'; did you mean `vipllava models pull`?"),
        (["pull", "7b"], "did you mean `vipllava models pull`?"),
        (["eval", "vizual7w"], "did you mean `vipllava eval visual7w`?"),
        (["nonesuch"], "and no such file: `vipllava --help` lists the commands"),
        (["nonesuch.png", "q"], "unknown command 'nonesuch.png', and no such file: "),
        (["README.md", "q"], "'README.md' is neither a command nor an image: "),
        (["sample_images", "q"], "is a folder: `vipllava batch` asks about the images"),
        (
            ["what is it?", "nope.png"],
            "write the image before the question: vipllava IMAGE QUESTION",
        ),
        (["-m", "7b"], "-m belongs after the subcommand: vipllava ask … -m"),
        (["--"], "vipllava needs a subcommand: `vipllava --help` lists the commands"),
        (["--model", "7b", "ask", ZOO, "q"], "after the subcommand: vipllava ask … --model"),
        (["eval", "--data", "vcr", "vcr"], "after the subcommand: vipllava eval vcr … --data"),
        (["7b", "plan"], "write the subcommand first, `vipllava plan 7b`"),
        (["doctor", "help"], "unexpected 'help': `vipllava doctor --help` prints the help"),
        (["eval", "vcr", "--ouput", "x"], "unknown option --ouput; did you mean --out?"),
        (["models", "pull", "-m", "7b"], "write the name without -m, as in `vipllava models pull"),
        (["config", "set", "--template", "chat"], "write template without hyphens, as in"),
        (["config", "set", "chat", "template"], "`vipllava config set template chat`"),
        (["models", "pull", "tiny"], "needs no download, `vipllava models use tiny` makes it"),
        (["compare", "label", "a.jsonl"], "use `vipllava compare a.jsonl --truth label`"),
        (
            ["report", "a.jsonl", "-o", "a.pdf"],
            "of another format, and the page is HTML: use a.html",
        ),
        (["--per", "x", "nonesuch"], "after the subcommand: vipllava batch … --per"),
    ],
)
def test_wrong_usage_is_described(run: Run, words: list[str], message: str) -> None:
    assert_error_line(run(*words), ExitCode.USAGE, message)


@pytest.mark.parametrize("words", [["ask"], ["eval", "vcr"], ["compare"], ["batch"]])
def test_the_example_of_a_message_parses(run: Run, words: list[str]) -> None:
    from tests.docs.test_docs import commands_in, parse

    example = run(*words).stderr.rpartition("as in `")[2].rstrip("`\n")
    (arguments,) = commands_in(example)
    parse(arguments)


def test_a_wrong_variable_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIPLLAVA_MODEL", "nonesuch")
    result = run("ask", ZOO, "q")
    assert_error_line(result, ExitCode.MODEL, "nonesuch")


def test_a_wrong_setting_is_named_with_its_file(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIPLLAVA_HOME", str(tmp_path))
    file = tmp_path / "config" / "settings.json"
    file.parent.mkdir()
    file.write_text('{"max_new_tokens": 0, "template": "nope"}')
    message = f"invalid template 'nope' in {file}: expected auto, human, vicuna or chat"
    result = run("ask", ZOO, "q", "--max-new-tokens", "5")
    assert_error_line(result, ExitCode.USAGE, message)
    for key in ("template", "max-new-tokens"):  # as the messages say
        assert f"`vipllava config unset {key}` removes it" in run("ask", ZOO, "q").stderr
        assert run("config", "unset", key).code == 0
    assert file.read_text() == "{}\n"


def test_help_is_printed_in_spite_of_wrong_words(run: Run) -> None:
    assert run("doctor", "too", "many", "--help").code == 0


def test_every_subcommand_has_an_example() -> None:
    """The messages show it."""
    from docs.generate_commands import iter_commands

    for context, command in iter_commands():
        if not hasattr(command, "commands"):
            example = command.help.partition("\n\n")[2].strip()
            assert example.startswith(context.command_path), context.command_path


@pytest.mark.parametrize("command", ["annotate", "chat"])
def test_a_path_with_spaces_needs_quotes(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my blue cat.png").touch()
    assert_error_line(
        run(command, "my", "blue", "cat.png"),
        ExitCode.USAGE,
        f"my blue cat.png is one path: put it in quotes, as in vipllava {command}"
        " 'my blue cat.png'",
    )
