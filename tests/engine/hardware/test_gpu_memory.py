"""The free memory of a GPU, with stand-ins for what CUDA reports."""

import pytest
import torch

from vipllava_cli.engine.hardware.machine import Memory, location_memory

pytestmark = pytest.mark.model


def test_memory_that_torch_holds_and_does_not_use_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1_000, 24_000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 20_000)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 14_000)
    assert location_memory(0) == Memory(total=24_000, free=7_000)
