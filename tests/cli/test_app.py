"""The program: help, version, completion, wrong usage, imports."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import SAMPLES, Run
from tests.support.process import vipllava
from tests.support.report_pages import results, row
from vipllava_cli import __version__

ZOO = SAMPLES / "zoo-red-box.png"
SUBCOMMANDS = ("ask", "annotate", "batch", "chat", "report", "compare", "plan", "doctor")


def test_help_shows_every_subcommand_with_an_example(run: Run) -> None:
    overview = run("--help")
    assert overview.code == 0
    for name in (*SUBCOMMANDS, "help", "config"):
        assert f"vipllava {name} " in overview.stdout
        assert f"vipllava {name} " in run(name, "--help").stdout


@pytest.mark.parametrize("word", ["--version", "-V", "version"])
def test_the_version(run: Run, word: str) -> None:
    assert run(word).stdout == f"vipllava {__version__}\n"


def test_help_lists_marks_before_output(run: Run) -> None:
    for name in ("ask", "annotate"):
        shown = run(name, "--help").stdout
        positions = [shown.find(flag) for flag in ("--box", "--zoom", "--quiet")]
        assert -1 < positions[0] < positions[1] < positions[2]
        assert "<bool>" not in shown


@pytest.mark.parametrize("name", ["annotate", "batch", "report", "compare"])
def test_the_output_option_is_named_out(run: Run, name: str) -> None:
    shown = run(name, "--help").stdout
    assert re.search(r"--out +-o +FILE +Write .* to FILE\.", flatten(shown))
    assert "--output" not in shown


def flatten(help: str) -> str:
    """Remove the frames and line breaks of a help text."""
    return " ".join(help.replace("│", " ").split())


def test_a_shell_completes_subcommands_and_flags() -> None:
    for words, expected in (("vipllava ann", "annotate"), ("vipllava ask --ell", "--ellipse")):
        ended = vipllava(env={
            **os.environ, "_VIPLLAVA_COMPLETE": "complete_bash",
            "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1),
        })  # fmt: skip
        assert ended.stdout.decode().split() == [expected]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["ask"],
            'ask needs an image and a question, as in `vipllava ask cat.jpg "what is this?"`',
        ),
        (["ask", "a.png", "what?", "--device", "gpu"], "expected auto, cpu, mps, cuda"),
        (["asq"], "unknown command 'asq', and no such file; did you mean `vipllava ask`?"),
        (["ask", "a.png", "what?", "--temprature", "1"], "did you mean --temperature?"),
        (
            ["ask", "a.png", "what?", "--temperature", "inf"],
            "'inf': expected a number from 0 to 100",
        ),
        (["ask", "a.png", "what?", "--dtype", "gpu"], "'gpu': expected auto, bf16, fp16 or fp32"),
        (["--nothing"], "unknown option --nothing: `vipllava --help` lists the options"),
    ],
)
def test_wrong_usage_is_one_line(run: Run, arguments: list[str], message: str) -> None:
    result = run(*arguments)
    assert (result.code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert message in result.stderr
    for raw in ("Value error", "Missing", "No such", "Input should", "requires an argument"):
        assert raw not in result.stderr


HELP = [
    ["--help"],
    ["--version"],
    *([name, "--help"] for name in (*SUBCOMMANDS, "eval", "models", "config", "help", "version")),
    ["eval", "visual7w", "--help"],
    ["models", "use", "--help"],
    ["version"],
    ["config", "path"],
]


def modules_after(commands: list[list[str]]) -> set[str]:
    """Run commands in one new process. Returns the modules that they import."""
    program = (
        "import json, sys\n"
        "from vipllava_cli.cli.app import app\n"
        "for arguments in json.loads(sys.argv[1]):\n"
        "    try:\n"
        "        app(arguments, prog_name='vipllava')\n"
        "    except SystemExit as end:\n"
        "        if end.code:\n"
        "            sys.exit(f'{arguments}: {end.code}')\n"
        "print('\\n', json.dumps(list(sys.modules)))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, json.dumps(commands)], capture_output=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    helped = sum("--help" in command for command in commands)
    assert ended.stdout.count(b"Usage: vipllava") == helped
    return set(json.loads(ended.stdout.splitlines()[-1]))


def test_help_imports_nothing_heavy() -> None:
    heavy = {"torch", "transformers", "accelerate", "prompt_toolkit", "PIL", "numpy", "cv2"}
    assert modules_after(HELP) & heavy == set()


def test_commands_without_a_model_never_import_torch(tmp_path: Path) -> None:
    records = results(tmp_path, [row()])
    commands = [
        ["annotate", str(ZOO), "--box", "1,1,50,50", "-o", str(tmp_path / "out.png")],
        ["batch", str(SAMPLES), "--out", str(tmp_path / "r.jsonl"), "--dry-run"],
        ["report", str(records), "-o", str(tmp_path / "r.html")],
        ["models", "list"],
        ["models", "list", "--json"],
        ["models", "info", "7b"],
        ["config", "show"],
    ]
    heavy = {"torch", "transformers", "accelerate", "prompt_toolkit"}
    assert modules_after(commands) & heavy == set()


def test_a_closed_pipe_has_its_own_exit_code() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(
        [sys.executable, "-m", "vipllava_cli", "annotate", str(ZOO), "-o", "-", "-q"],
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writer)
    assert ended.returncode == 141
    assert ended.stderr == b""
