"""Conversations in the forms of training files."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.sources import read_bad_rows, read_rows, write_file, write_images

PARTS = [{"type": "image", "image": "a.jpg"}, {"type": "text", "text": "<image>What is it?"}]
ANSWER = {"role": "assistant", "content": [{"type": "text", "text": "A bolt"}]}


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [{"role": "user", "content": PARTS}, ANSWER]},
        {"image": "a.jpg", "messages": [{"role": "user", "content": PARTS[1:]}, ANSWER]},
        {"images": ["a.jpg"], "messages": [{"role": "user", "content": PARTS}, ANSWER]},
        {
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "image_url", "image_url": {"url": "a.jpg"}}, PARTS[1]],
                },
                {"role": "assistant", "content": "A bolt"},
            ]
        },
        {
            "image": ["a.jpg"],
            "conversations": [
                {"from": "human", "value": "What is it?\n<image>"},
                {"from": "gpt", "value": "A bolt"},
            ],
        },
    ],
)
def test_turns_may_be_lists_of_parts(tmp_path: Path, row: dict[str, Any]) -> None:
    write_images(tmp_path, "a.jpg")
    [read] = read_rows(write_file(tmp_path / "train.json", [row]))
    assert read.image == str(tmp_path / "a.jpg")
    assert read.questions == ("What is it?",)
    assert read.extra["expected"] == "A bolt"


@pytest.mark.parametrize("field", ["image", "images"])
def test_several_images_of_a_row_are_refused(tmp_path: Path, field: str) -> None:
    turns = [{"from": "human", "value": "<image><image>Which one?"}]
    row = {field: ["a.jpg", "b.jpg"], "conversations": turns}
    [bad] = read_bad_rows(write_file(tmp_path / "train.json", [row]))
    assert "expected one image for each row, found 2" in str(bad.error)
