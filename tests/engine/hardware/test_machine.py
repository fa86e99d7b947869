"""The memory of a machine."""

from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from tests.support.machines import FOUR_GPUS, LAPTOP
from vipllava_cli.engine.hardware.machine import has_fast_bf16, location_memory
from vipllava_cli.engine.hardware.measured_speed import measure_operations, measure_speed


def test_free_memory_stays_within_the_limit_of_a_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "memory.max").write_text("3000000\n")
    (tmp_path / "memory.current").write_text("1000000\n")
    monkeypatch.setattr("vipllava_cli.images.memory._CGROUP", tmp_path)
    for location in ("cpu", "mps"):
        memory = location_memory(location)
        assert memory.free == 2_000_000
        assert memory.total == psutil.virtual_memory().total


@pytest.mark.model
def test_the_speed_of_a_cpu_is_that_of_a_layer() -> None:
    """A layer takes longer than its products alone, and not much longer."""
    speed = measure_speed("cpu", "fp32")
    assert 1e8 < speed.bandwidth < 1e12
    assert 1e9 < speed.operations < 1e14
    measure_operations.cache_clear()
    assert measure_operations("cpu", "fp32") == pytest.approx(speed.operations, rel=0.9)


def test_devices_are_listed_fastest_first() -> None:
    assert FOUR_GPUS.devices == ("cuda", "cpu")
    assert LAPTOP.devices == ("cpu",)


@pytest.mark.model
def test_a_torch_without_onednn_has_no_fast_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    """The torch of macOS lacks these operations."""
    import torch

    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    monkeypatch.setattr(torch.ops, "mkldnn", SimpleNamespace())
    assert not has_fast_bf16()
