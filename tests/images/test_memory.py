"""Free memory."""

from pathlib import Path

import pytest

from vipllava_cli.images import memory


def test_free_memory_respects_the_limit_of_a_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    assert memory.free_memory() > 10_000_000
    (tmp_path / "memory.current").write_text("4000000\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.free_memory() > 10_000_000
    (tmp_path / "memory.max").write_text("10000000\n")
    assert memory.free_memory() == 6_000_000
