"""The man page: every subcommand and option, in roff that renders without a warning."""

import shutil
import subprocess

import pytest

from docs.generate_commands import iter_commands
from docs.man_page import _text
from tests.conftest import ROOT
from vipllava_cli.cli.help_page import ENVIRONMENT
from vipllava_cli.errors import ExitCode

PAGE = ROOT / "docs/vipllava.1"
SOURCE = PAGE.read_text(encoding="utf-8")


def test_it_names_every_subcommand_option_variable_and_exit_code() -> None:
    options = SOURCE.partition(".SH OPTIONS")[2].partition(".SH")[0]
    assert all(rf"\-\-{name}" in options for name in ("version", "install\\-completion"))
    for context, command in iter_commands():
        section = SOURCE.partition(f'.SS "{context.command_path}"\n')[2].partition("\n.S")[0]
        for parameter in command.get_params(context):
            if parameter.param_type_name == "argument":
                assert rf"\fB{parameter.metavar or parameter.name}\fR" in section
            elif parameter.name != "help" and not parameter.hidden:
                assert _text(max(parameter.opts, key=len)) in section
    for name in ENVIRONMENT:
        assert rf"\fB{name}\fR" in SOURCE
    codes = SOURCE.partition(".SH EXIT STATUS")[2]
    assert all(rf"\fB{code.value}\fR" in codes for code in ExitCode)
    assert r"\fB129, 143\fR" in codes
    assert r"Seed of the sampling; needs \-\-temperature. (default: 0)" in SOURCE


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("--box 1,2", r"\-\-box 1,2"),
        (".jsonl", r"\&.jsonl"),
        ("run `make docs`", r"run \fBmake docs\fR"),
        (r"a\b 'c'…", r"a\eb \(aqc\(aq..."),
    ],
)
def test_text_is_escaped(text: str, escaped: str) -> None:
    assert _text(text) == escaped


def test_groff_renders_it_without_a_warning() -> None:
    if shutil.which("groff") is None:
        from tests.support.browser import skip_unless_required

        skip_unless_required("groff is not installed")
    groff = ["groff", "-man", "-ww", "-Tascii", "-P-cbou", str(PAGE)]
    done = subprocess.run(groff, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    shown = " ".join(done.stdout.split())
    assert "vipllava models pull [OPTIONS] {name}" in shown
    assert '--question "what is in the red box?"' in shown
