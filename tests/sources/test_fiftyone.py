"""Samples of FiftyOne."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.regions import CASES, Found, read_regions
from tests.support.sources import write_file


def read_label(folder: Path, label: dict[str, Any]) -> Found:
    shutil.copy(CASES / "01-coco-float-ids" / "a.jpg", folder)
    return read_regions(
        write_file(folder / "samples.json", {"samples": [{"filepath": "a.jpg", "spot": label}]})
    )


@pytest.mark.parametrize("hidden", [[None, None], [float("nan"), float("nan")]])
def test_keypoints_give_the_box_around_the_visible_ones(tmp_path: Path, hidden: list[Any]) -> None:
    points = [[0.125, 0.25], hidden, [0.375, 0.5]]
    found = read_label(tmp_path, {"_cls": "Keypoint", "label": "bolt", "points": points})
    assert found.regions == [("box", (20, 30, 60, 60))]
    assert found.labels == ["bolt"]


@pytest.mark.parametrize("points", [[[None, None]], [[0.5]], "x", []])
def test_keypoints_without_a_visible_one_are_one_line(tmp_path: Path, points: Any) -> None:
    found = read_label(tmp_path, {"_cls": "Keypoint", "points": points})
    assert not found.regions
    assert len(found.errors) == 1
