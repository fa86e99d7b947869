"""The Markdown of an answer in the terminal."""

import io
import re

import pytest
from rich.console import Console

from vipllava_cli.cli.terminal.markdown import markdown

ESC = "\x1b"

# An answer, and its text on the screen without styles.
ANSWERS = {
    "a cat": "a cat",
    "[red]not markup[/red] [/INST]": "[red]not markup[/red] [/INST]",
    "one\ntwo": "one\ntwo",
    "a <b>tag</b> & <image>": "a <b>tag</b> & <image>",
    "**bold** and `code`": "bold and code",
    "- one\n- two": "\n • one\n • two",
    "[here](http://a.b/)": "here (http://a.b/)",
    f"{ESC}[2J{ESC}]8;;http://evil{ESC}\\x": "\\x1b[2J\\x1b]8;;http://evil\\x1b\\x",
    "\u202eevil\x9b31m": "\\u202eevil\\x9b31m",
}


@pytest.mark.parametrize("text", ANSWERS)
def test_markdown_is_rendered_and_nothing_in_it_acts_on_the_terminal(text: str) -> None:
    out = io.StringIO()
    Console(file=out, width=60, force_terminal=True, color_system="standard").print(markdown(text))
    assert not re.search(r"\x1b(?!\[[\d;]*m)", out.getvalue()), "styles only"
    plain = re.sub(r"\x1b\[[\d;]*m", "", out.getvalue())
    assert "\n".join(line.rstrip() for line in plain.splitlines()) == ANSWERS[text]
