"""The random models of the benchmarks."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmarks import make_checkpoint
from benchmarks.checkpoints import find_or_make

pytestmark = pytest.mark.model


def test_two_scenarios_at_a_time_make_one_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes = make_checkpoint.SMALL_SHAPES
    monkeypatch.setattr(make_checkpoint, "SMALL_SHAPES", {**shapes, "mid": shapes["tiny"]})
    folder = tmp_path / "checkpoints"
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(find_or_make, ["mid", "mid"], [folder, folder]))
    assert found == [str(folder / "mid")] * 2
    assert list((folder / "mid").glob("*.safetensors"))
    assert not (folder / "mid.unfinished").exists()
