"""Record files, their HTML pages, and the data of a page."""

import base64
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from vipllava_cli.cli.html.report import write_report
from vipllava_cli.cli.terminal.messages import Messages

BOX = {"shape": "box", "coords": [20, 10, 90, 80], "color": "red", "width": 3, "alpha": 1.0}

Row = dict[str, Any]


def row(number: int = 0, **changes: Any) -> Row:
    """A record as `ask --json` and `batch` write it, about the image of the fixture `image`."""
    return {
        "schema": 1, "id": f"row-{number}", "key": f"{number:016x}", "image": "grey.png",
        "width": 200, "height": 100, "marks": [BOX], "numbers": False, "crop": None,
        "question": f"what is in box {number}?", "answer": f"thing {number}",
        "finish_reason": "stop", "prompt_tokens": 160, "answer_tokens": 5, "model": "tiny",
        "revision": "r1", "template": "human", "options": {"max_new_tokens": 256}, "dtype": "fp32",
        "device": "cpu", "seconds": 0.25, "extra": {}, "error": None, **changes,
    }  # fmt: skip


def failed(number: int = 0, message: str = "there is no file x.png", **changes: Any) -> Row:
    """A record of a failed row."""
    return row(
        number, width=None, height=None, answer=None, finish_reason=None, seconds=0.0,
        error={"type": "InputError", "message": message}, **changes,
    )  # fmt: skip


def results(folder: Path, rows: Sequence[Row], name: str = "results.jsonl") -> Path:
    """Write a record file."""
    path = folder / name
    path.write_text("".join(json.dumps(each) + "\n" for each in rows), encoding="utf-8")
    return path


def page_of(folder: Path, rows: Sequence[Row]) -> Path:
    """Write a record file and its page."""
    out = folder / "page.html"
    write_report(results(folder, rows), out, force=True, messages=Messages(quiet=True))
    return out


def blocks(page: Path) -> dict[str, Any]:
    """Return the data blocks of a page by name."""
    found = re.findall(
        r'<script type="application/json" id="(.*?)">(.*?)</script>\n', page.read_text("utf-8")
    )
    return {name: json.loads(text) for name, text in found}


def images(page: Path) -> list[dict[str, Any]]:
    """Return the thumbnails of a page."""
    return [block for name, block in blocks(page).items() if name.startswith("thumbnail-")]


def decoded(shown: dict[str, Any]) -> Image.Image:
    """Decode the image of a thumbnail."""
    head, _, data = shown["src"].partition(",")
    assert head == "data:image/webp;base64"
    return Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")


# Texts that a page must show as they are.
HOSTILE = (
    "<script>alert(1)</script>",
    "</script><script>alert(2)</script>",
    "<!-- <script> --!> ]]>",
    "<img src=x onerror=alert(3)>",
    "\" onmouseover=alert(4) ' onfocus=alert(5)",
    "javascript:alert(6)",
    "&lt;b&gt; &amp; &#60;",
    "${alert(7)} $script $images {{ 7 * 7 }}",
    "\x1b[31mred\x07 \x00 \x9b",
    "abc\u202etxt.exe \u2066x",
    "\u2028 \u2029",
    "\ud800 alone",
    "__proto__",
)


def hostile_row(text: str, number: int) -> Row:
    """A record with a hostile text in every field."""
    make = failed if number % 2 else row
    return make(
        number, id=f"{text} id", image=f"{text} image", question=f"{text} question",
        marks=[BOX | {"label": f"{text} mark"}], model=f"{text} model",
        answer_marks=[BOX | {"label": f"{text} found"}],
        extra={f"{text} column": f"{text} value"},
        **({"message": f"{text} error"} if make is failed else {"answer": f"{text} answer"}),
    )  # fmt: skip
