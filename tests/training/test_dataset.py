"""Batches: the same for every worker and every number of processes."""

import pytest
import torch

from training.dataset import SceneBatches, make_loader
from training.model import TrainingModel
from vipllava_cli.flows.evals.clipart.scenes import TRAINING

pytestmark = pytest.mark.model


def test_a_batch_is_the_same_from_every_worker(untrained: TrainingModel) -> None:
    batches = SceneBatches(TRAINING, 10, 4, 3, tokenizer=untrained.tokenizer)
    expected_batches = [batches[number] for number in range(3)]
    for workers, first in ((0, 0), (2, 0), (2, 1)):
        loaded = make_loader(batches, first, workers)
        for batch, expected in zip(loaded, expected_batches[first:], strict=True):
            assert batch.pixels is not None
            assert expected.pixels is not None
            assert batch.conversations is not None
            assert expected.conversations is not None
            assert torch.equal(batch.pixels, expected.pixels)
            assert torch.equal(batch.conversations.input_ids, expected.conversations.input_ids)


def test_processes_that_share_a_batch_see_the_scenes_of_one_process() -> None:
    full, halves = SceneBatches(TRAINING, 10, 12, 2), SceneBatches(TRAINING, 10, 6, 4)
    shared = zip(
        *(make_loader(halves, 0, 0, process_index=index, processes=2) for index in range(2)),
        strict=True,
    )
    for batch, parts in zip(make_loader(full, 0, 0), shared, strict=True):
        joined = torch.cat([part.patch_targets for part in parts])
        assert torch.equal(batch.patch_targets, joined)
