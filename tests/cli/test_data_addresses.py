"""Images in `data:` addresses: they work as images, and no output holds them."""

import base64
import json
import random
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.conftest import Finished, Run
from tests.support.images import encode
from vipllava_cli.images.data_address import is_shortened

pytestmark = pytest.mark.model

MAX_WORD = 200  # characters
MODEL = ("--model", "tiny", "--device", "cpu")


def address(seed: int = 0, size: int = 60) -> str:
    """Return the address of an image of noise, some 10,000 characters."""
    pixels = random.Random(seed).randbytes(size * size * 3)
    data = encode(Image.frombytes("RGB", (size, size), pixels))
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def write_manifest(path: Path, *images: str) -> Path:
    lines = (
        json.dumps({"image": image, "question": f"what is {number}?"})
        for number, image in enumerate(images)
    )
    path.write_text("\n".join(lines))
    return path


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def assert_short(*texts: str) -> None:
    for text in texts:
        assert max(map(len, text.replace(",", " ").split()), default=0) < MAX_WORD


def assert_result(result: Finished, code: int) -> None:
    assert result.code == code, result.stderr
    assert_short(result.stdout, result.stderr)


def test_a_batch_shortens_addresses_and_recognizes_its_rows(run: Run, tmp_path: Path) -> None:
    images = (address(0), address(1), address(0)[:-50] + "!", "data:" + address(0)[22:], address(0))
    source = write_manifest(tmp_path / "rows.jsonl", *images)
    out = tmp_path / "out.jsonl"
    command = ("batch", source, "--out", out, *MODEL)
    assert_result(run(*command, "-v"), 6)
    assert_short(out.read_text())
    rows = records(out)
    assert [row["id"] for row in rows] == [f"line {number}" for number in range(1, 6)]
    assert all(is_shortened(row["image"]) for row in rows)
    assert len({row["image"] for row in rows}) == 4
    assert rows[0]["image"] == rows[4]["image"] != rows[1]["image"]
    assert [row["error"] is None for row in rows] == [True, True, False, False, True]

    # The second run asks only the failed rows again.
    before = out.read_text()
    again = run(*command, "-v")
    assert_result(again, 6)
    assert [row["seconds"] for row in records(out)] == [row["seconds"] for row in rows]
    assert len(out.read_text()) == len(before)

    # Another image at the same line is not the answered one.
    write_manifest(source, address(2), *images[1:])
    changed = run(*command)
    assert_result(changed, 3)
    assert "line 1" in changed.stderr

    assert_result(run("report", out, "-o", tmp_path / "out.html"), 0)
    page = (tmp_path / "out.html").read_text()
    assert images[0][:200] not in page
    assert "was in a data: address and was not kept" in page
    assert_result(run("batch", source, "--out", tmp_path / "out.csv", "--dry-run"), 6)


def test_records_of_version_0_1_0_with_complete_addresses_are_recognized(
    run: Run, tmp_path: Path
) -> None:
    source, out = write_manifest(tmp_path / "rows.jsonl", address()), tmp_path / "out.jsonl"
    command = ("batch", source, "--out", out, *MODEL)
    assert run(*command).code == 0
    (row,) = records(out)
    del row["crc"]  # version 0.1.0 wrote none
    out.write_text(json.dumps({**row, "image": address()}) + "\n")
    again = run(*command, "-v")
    assert again.code == 0, again.stderr
    assert records(out)[0]["seconds"] == row["seconds"]


def test_an_address_is_the_image_of_other_commands(run: Run, tmp_path: Path) -> None:
    image = address()
    asked = run("ask", image, "what is it?", "--json", *MODEL)
    assert_result(asked, 0)
    assert is_shortened(json.loads(asked.stdout)["image"])
    assert_result(run("annotate", image, "--box", "5,5,50,50", "-o", tmp_path / "a.png"), 0)
    out = tmp_path / "out.jsonl"
    for _ in range(2):
        assert_result(run("batch", image, "--question", "what?", "--out", out, *MODEL), 0)
    assert_short(out.read_text())


@pytest.mark.parametrize(
    "command",
    [
        ("ask", address()),
        ("ask", address(), address(1), "what?"),
        ("ask", address()[:-50] + "!", "what?", "--debug"),
        ("ask", address(), "what?", "--box", "500,500,600,600", "--debug"),
        ("batch", address()[:-50] + "!", "--question", "what?", "--dry-run"),
        ("report", address()),
        ("compare", address()),
        ("models", "info", address()),
    ],
    ids=lambda command: " ".join(word for word in command if len(word) < 20),
)
def test_no_error_holds_an_address(run: Run, command: tuple[str, ...]) -> None:
    result = run(*command)
    assert result.code != 0
    assert_short(result.stdout, result.stderr)
