"""The HTML page as a file: its bytes, its policy, and text that could do harm."""

import base64
import hashlib
import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from tests.support.report_pages import BOX, HOSTILE, hostile_row, page_of, results, row
from vipllava_cli.cli.html.report import write_report
from vipllava_cli.cli.terminal.messages import Messages
from vipllava_cli.storage.files import atomic_file


def test_the_same_results_give_the_same_bytes(image: Path) -> None:
    rows = [row(n, marks=[BOX | {"color": color}]) for n, color in enumerate(["red", "blue"] * 40)]
    first = page_of(image.parent, rows).read_bytes()
    assert page_of(image.parent, rows).read_bytes() == first


def test_a_page_that_cannot_be_written_leaves_no_files(tmp_path: Path) -> None:
    def interrupted() -> None:
        with atomic_file(str(tmp_path / "page.html")) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_a_bar_shows_on_a_terminal_only(image: Path) -> None:
    source = results(image.parent, [row()])
    for is_terminal in (True, False):
        stderr = io.StringIO()
        console = Console(file=stderr, force_terminal=is_terminal, width=100)
        out = image.parent / f"{is_terminal}.html"
        assert write_report(source, out, force=False, messages=Messages(console=console)) == 1
        assert ("drawing the images" in stderr.getvalue()) == is_terminal


def test_the_page_allows_its_own_script_and_style_only(tmp_path: Path) -> None:
    text = page_of(tmp_path, [row()]).read_text("utf-8")
    policy = re.search(r'Security-Policy" content="(.*?)"', text)
    assert policy
    assert policy[1].startswith("default-src 'none'; img-src data:; ")
    assert "unsafe" not in policy[1]
    for tag in ("style", "script"):
        (source,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy[1]
    assert re.findall(r"""(?:src|href|action)=(?!"data:,")""", text) == []
    assert re.findall(r"https?:|url\(|@import|import\(|fetch\(", text) == []


def test_no_text_of_a_record_is_markup(tmp_path: Path) -> None:
    text = page_of(tmp_path, [hostile_row(t, n) for n, t in enumerate(HOSTILE)]).read_bytes()
    assert text.count(b"<script") == 2 + len(HOSTILE)  # the data, the script, a block an image
    assert b"alert(" not in re.sub(rb'<script type="application/json".*', b"", text)
    data = b"".join(re.findall(rb'<script type="application/json" id="[^"]*">(.*)</script>', text))
    assert not re.search(rb"[<>&\x00-\x1f\x7f-\xff]", data)
