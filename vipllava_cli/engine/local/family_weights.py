"""The weights of a checkpoint of another family against its model, before they take memory."""

import re
from collections.abc import Iterable, Mapping, Sequence

import torch
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import WeightConverter, WeightRenaming, rename_source_key

from vipllava_cli.engine.hub.checks.weights import COMPUTED, refuse_weights


def check_family_shapes(
    config: PreTrainedConfig,
    model_class: type[PreTrainedModel],
    shapes: Mapping[str, Sequence[int]],
    name: str,
) -> None:
    """Compare the shapes of a checkpoint's weights with the model that its config describes.

    transformers renames the weights of older checkpoints, and joins some: of those, only the names
    count. Builds the model without memory. Raises ModelError.
    """
    with torch.device("meta"):
        model = model_class(config)
    expected = {weight: tuple(value.shape) for weight, value in model.state_dict().items()}
    transforms = get_model_conversion_mapping(model)
    renamings = [each for each in transforms if isinstance(each, WeightRenaming)]
    converters = [each for each in transforms if isinstance(each, WeightConverter)]
    found: dict[str, Sequence[int]] = {}
    mismatched = []
    for weight, shape in shapes.items():
        target, joins = rename_source_key(
            weight, renamings, converters, model.base_model_prefix, expected
        )
        found[target] = shape
        if joins is None and target in expected and tuple(shape) != expected[target]:
            mismatched.append(f"{weight} {list(shape)} for {list(expected[target])}")
    tied = set(model.all_tied_weights_keys or ())
    missing = expected.keys() - found.keys() - tied
    unexpected = found.keys() - expected.keys()
    refuse_weights("missing", _needed(missing, model._keys_to_ignore_on_load_missing), name)
    refuse_weights(
        "unexpected", _needed(unexpected, model._keys_to_ignore_on_load_unexpected), name
    )
    refuse_weights("mismatched", mismatched, name)


def _needed(weights: Iterable[str], ignored: Iterable[str] | None) -> list[str]:
    """Leave out what the model computes itself, and what the library ignores by a pattern."""
    patterns = [re.compile(pattern) for pattern in ignored or ()]
    return [
        weight
        for weight in weights
        if not weight.endswith(COMPUTED) and not any(each.search(weight) for each in patterns)
    ]
