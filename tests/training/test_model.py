"""The training model: its pieces compute what the model's own forward computes."""

import pytest
import torch

from training.dataset import SceneBatches
from training.losses import LOSSES
from training.metrics import MetricCounts
from training.model import TrainingModel, normalize_pixels
from training.patch_targets import IGNORE
from training.recipe import STAGES
from vipllava_cli.flows.evals.clipart.scenes import HELD_OUT

pytestmark = pytest.mark.model


def test_training_computes_the_logits_of_the_model(untrained: TrainingModel) -> None:
    batch = SceneBatches(HELD_OUT, 0, 6, 1, tokenizer=untrained.tokenizer)[0]
    assert batch.conversations is not None
    assert batch.pixels is not None
    outputs: list[torch.Tensor] = []
    hook = untrained.model.lm_head.register_forward_hook(
        lambda _module, _inputs, logits: outputs.append(logits)
    )
    with torch.no_grad():
        LOSSES["answers"](untrained, batch, MetricCounts(), full_images=True)
        hook.remove()
        logits = untrained.model(
            input_ids=batch.conversations.input_ids, pixel_values=normalize_pixels(batch.pixels)
        ).logits[:, :-1]
    expected = logits[batch.conversations.answer_targets[:, 1:] != IGNORE]
    torch.testing.assert_close(outputs[0], expected, atol=1e-4, rtol=1e-4)


def test_every_stage_has_a_loss() -> None:
    assert {stage.loss for stage in STAGES} == LOSSES.keys()


def test_accuracies_omit_names_without_predictions() -> None:
    counts = MetricCounts()
    counts.add("naming", right=1, total=2)
    counts.add("naming", right=2, total=2)
    counts.add("count", right=0, total=0)
    assert counts.accuracies() == {"naming": 0.75}
    counts.clear()
    assert counts.accuracies() == {}
