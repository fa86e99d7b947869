"""The losses of the training stages, by name."""

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from training.conversation_tokens import KINDS
from training.dataset import Batch, ConversationBatch
from training.metrics import MetricCounts
from training.model import TrainingModel
from training.patch_heads import weighted_mean
from training.patch_selection import (
    KEPT_ORACLE_PATCHES,
    gather_patches,
    gather_targets,
    is_background,
    select_patches,
)
from training.patch_targets import IGNORE, TARGET_INDEX
from vipllava_cli.flows.evals.clipart.objects import OBJECT_CLASSES

_CLASS_LOSS_WEIGHT = 0.3  # of the class names at the patches
_ORACLE_LOSS_WEIGHT = 2.0
_ORACLE_VARIANCE = 0.25  # of the entries of an oracle embedding
_BACKGROUND_WEIGHT = 0.2
_ANSWER_GRADIENT_SHARE = 0.3  # of the answers' gradient, in the vision tower

_OBJECT_CLASS, _MARK_COLOR, _MARKED_CLASS = (
    TARGET_INDEX[name] for name in ("object_class", "mark_color", "marked_class")
)


class LossFunction(Protocol):
    """Computes a stage's loss, a float32 scalar, and adds its predictions to `counts`.

    `full_images` uses every patch, as inference does.
    """

    def __call__(
        self, model: TrainingModel, batch: Batch, counts: MetricCounts, *, full_images: bool
    ) -> Tensor: ...


def oracle_answer_loss(
    model: TrainingModel, batch: Batch, counts: MetricCounts, *, full_images: bool
) -> Tensor:
    """Answers from oracle embeddings. Trains the decoder."""
    assert batch.conversations is not None
    kept = select_patches(batch.patch_targets, KEPT_ORACLE_PATCHES, full_images=full_images)
    image = gather_patches(model.oracle(batch.patch_targets), kept)
    return _conversation_loss(model, image, kept, batch.patch_targets, batch.conversations, counts)


def patch_loss(
    model: TrainingModel, batch: Batch, counts: MetricCounts, *, full_images: bool
) -> Tensor:
    """Patch targets. Trains the vision tower."""
    kept = select_patches(batch.patch_targets, full_images=full_images)
    layers = model.encode(batch, kept)
    loss: Tensor = model.patch_heads(layers[-1], gather_targets(batch.patch_targets, kept), counts)
    return loss


def projection_loss(
    model: TrainingModel, batch: Batch, counts: MetricCounts, *, full_images: bool
) -> Tensor:
    """Patch targets and oracle embeddings as the projector's targets. Trains tower and projector."""
    kept = select_patches(batch.patch_targets, full_images=full_images)
    targets = gather_targets(batch.patch_targets, kept)
    layers = model.encode(batch, kept)
    oracle = model.oracle(targets).detach()
    is_known = (targets[:, _OBJECT_CLASS] != IGNORE) | (targets[:, _MARK_COLOR] != IGNORE)
    weights = torch.where(is_background(targets), _BACKGROUND_WEIGHT, 1.0) * is_known
    errors = (model.project(layers).float() - oracle).square().mean(-1) / _ORACLE_VARIANCE
    patches: Tensor = model.patch_heads(layers[-1], targets, counts)
    return patches + _ORACLE_LOSS_WEIGHT * weighted_mean(errors, weights)


def answer_loss(
    model: TrainingModel, batch: Batch, counts: MetricCounts, *, full_images: bool
) -> Tensor:
    """Answers about images, with a frozen vision tower. Trains projector and decoder."""
    assert batch.conversations is not None
    kept = select_patches(batch.patch_targets, full_images=full_images)
    with torch.no_grad():
        layers = model.encode(batch, kept)
    image = model.project(layers)
    return _conversation_loss(model, image, kept, batch.patch_targets, batch.conversations, counts)


def joint_loss(
    model: TrainingModel, batch: Batch, counts: MetricCounts, *, full_images: bool
) -> Tensor:
    """Patch targets and answers. Trains all modules; the tower gets a share of the answers' gradient."""
    assert batch.conversations is not None
    kept = select_patches(batch.patch_targets, full_images=full_images)
    layers = model.encode(batch, kept)
    patches: Tensor = model.patch_heads(
        layers[-1], gather_targets(batch.patch_targets, kept), counts
    )
    every = batch.conversation_every
    image = model.project([_scale_gradient(s[::every], _ANSWER_GRADIENT_SHARE) for s in layers])
    return patches + _conversation_loss(
        model, image, kept[::every], batch.patch_targets[::every], batch.conversations, counts
    )


LOSSES: Mapping[str, LossFunction] = {
    "oracle_answers": oracle_answer_loss,
    "patches": patch_loss,
    "projection": projection_loss,
    "answers": answer_loss,
    "joint": joint_loss,
}


# --- conversations ---------------------------------------------------------------------------


def _conversation_loss(
    model: TrainingModel,
    image: Tensor,
    kept: Tensor,
    patch_targets: Tensor,
    conversations: ConversationBatch,
    counts: MetricCounts,
) -> Tensor:
    """Sum the cross entropies of answers, auxiliary targets, and class names at the patches.

    `image` is [batch, kept patches, width].
    """
    start, states = model.decode(conversations.input_ids, image, kept)
    patches = kept.shape[1]
    at_patches = states[:, start : start + patches]
    behind_image = states[:, start + patches :]
    # A token's target is its successor: the states before the answers predict them.
    before_answers = states[:, start + patches - 1 : -1]
    first = conversations.input_ids.shape[1] - behind_image.shape[1]
    return (
        _answer_cross_entropy(
            model,
            before_answers,
            conversations.answer_targets[:, first:],
            conversations.question_kinds[:, first:],
            counts,
        )
        + _cross_entropy_or_zero(model, behind_image, conversations.auxiliary_targets[:, first:])
        + _CLASS_LOSS_WEIGHT
        * _cross_entropy_or_zero(model, at_patches, _class_tokens(model, patch_targets, kept))
    )


def _answer_cross_entropy(
    model: TrainingModel, states: Tensor, targets: Tensor, kinds: Tensor, counts: MetricCounts
) -> Tensor:
    """Return the cross entropy of the answers, [batch, length], and count the right ones by kind."""
    is_answer = targets != IGNORE
    logits = model.model.lm_head(states[is_answer]).float()
    is_right = torch.ones_like(is_answer)
    is_right[is_answer] = logits.argmax(-1) == targets[is_answer]
    _count_answers(is_answer, is_right, kinds, counts)
    return functional.cross_entropy(logits, targets[is_answer])


def _count_answers(
    is_answer: Tensor, is_right: Tensor, kinds: Tensor, counts: MetricCounts
) -> None:
    """Count answers by kind. An answer is right if every token of it is."""
    starts = is_answer & ~functional.pad(is_answer, (1, 0))[:, :-1]
    answer_number = starts.cumsum(1) * is_answer  # 0 outside answers, then 1, 2, 3, ...
    for number in range(1, int(answer_number.max()) + 1):
        inside = answer_number == number
        rows = inside.any(1)
        right = (is_right | ~inside).all(1)[rows]
        kind = kinds[rows].gather(1, inside[rows].int().argmax(1, keepdim=True))[:, 0]
        for index, name in enumerate(KINDS):
            is_kind = kind == index
            counts.add(name, right=int((right & is_kind).sum()), total=int(is_kind.sum()))


def _cross_entropy_or_zero(model: TrainingModel, states: Tensor, targets: Tensor) -> Tensor:
    """Return the mean cross entropy over the targets, or 0 if all are IGNORE."""
    is_target = targets != IGNORE
    logits = model.model.lm_head(states[is_target]).float()
    total = functional.cross_entropy(logits, targets[is_target], reduction="sum")
    return total / max(len(logits), 1)


def _class_tokens(model: TrainingModel, patch_targets: Tensor, kept: Tensor) -> Tensor:
    """Return the first token of a class name for each kept patch, or IGNORE: [batch, patches].

    The class is that of the marked object on a mark, else that of the object here.
    """
    shown = patch_targets[:, _OBJECT_CLASS].gather(1, kept)
    marked = patch_targets[:, _MARKED_CLASS].gather(1, kept)
    index = torch.where(marked != IGNORE, marked, shown)
    is_known = (index != IGNORE) & (index < len(OBJECT_CLASSES))
    return torch.where(is_known, model.class_tokens[torch.where(is_known, index, 0)], IGNORE)


def _scale_gradient(values: Tensor, share: float) -> Tensor:
    """Return the same values with `share` of their gradient."""
    return share * values + (1 - share) * values.detach()
