"""The KV cache with room behind its tokens."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from vipllava_cli.engine.local.roomy_cache import RoomyLayer

pytestmark = pytest.mark.model


def test_rows_are_chosen_in_a_layer_on_another_device() -> None:
    """Fake tensors refuse what torch refuses for tensors of two GPUs."""
    rows = torch.tensor([1, 1, 0])
    with FakeTensorMode(allow_non_fake_inputs=True):
        states = torch.empty(2, 1, 3, 4, device="meta")
        layer, filled = RoomyLayer(), RoomyLayer()
        layer.update(states, states)
        filled.fill(layer, rows)
        layer.batch_select_indices(rows)
    for each in (layer, filled):
        assert each.keys.shape == (3, 1, 3, 4)
        assert each.keys.device.type == "meta"


def test_the_chosen_rows_keep_their_tokens() -> None:
    keys = torch.arange(24.0).view(2, 2, 3, 2)
    layer = RoomyLayer()
    layer.update(keys, -keys)
    layer.batch_select_indices(torch.tensor([1, 1, 0]))
    assert torch.equal(layer.keys, keys[[1, 1, 0]])
    assert torch.equal(layer.values, -keys[[1, 1, 0]])
    assert not layer.keys.is_contiguous()  # there is room behind the tokens of each head
