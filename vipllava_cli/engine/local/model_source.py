"""The config, the classes and the sizes of a checkpoint, for loading it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    PreTrainedConfig,
    PreTrainedModel,
    VipLlavaConfig,
    VipLlavaForConditionalGeneration,
)

from vipllava_cli.engine.hardware.family_spec import read_family_spec
from vipllava_cli.engine.hardware.model_spec import ModelSpec, read_model_spec
from vipllava_cli.engine.hub.checkpoints import Checkpoint, fitted_config, weight_shapes
from vipllava_cli.engine.local.families import RunFamily, find_family
from vipllava_cli.engine.local.family_processor import load_family_processor
from vipllava_cli.engine.local.family_weights import check_family_shapes
from vipllava_cli.engine.local.processor import load_processor


@dataclass(frozen=True)
class ModelSource:
    """The config and the sizes of a checkpoint, and how its model and processor are made.

    `family` is None for ViP-LLaVA.
    """

    config: PreTrainedConfig
    spec: ModelSpec
    model_class: type[PreTrainedModel]
    load_processor: Callable[[], Any]
    family: RunFamily | None = None


def find_source(checkpoint: Checkpoint) -> ModelSource:
    """Read a checkpoint's config.json. Raises ModelError, and what transformers raises."""
    fixed = fitted_config(checkpoint.folder, checkpoint.name)
    family = find_family(fixed, checkpoint.name)
    if family is None:
        return _vipllava_source(checkpoint, VipLlavaConfig.from_dict(fixed), read_model_spec(fixed))
    values = {key: value for key, value in fixed.items() if key != "model_type"}
    config = AutoConfig.for_model(family.model_type, **values)
    model_class = AutoModelForImageTextToText._model_mapping[type(config)]
    shapes = weight_shapes(checkpoint.folder, checkpoint.name)
    check_family_shapes(config, model_class, shapes, checkpoint.name)
    return ModelSource(
        config,
        read_family_spec(fixed),
        model_class,
        lambda: load_family_processor(checkpoint, family, config),
        family,
    )


def _vipllava_source(
    checkpoint: Checkpoint, config: VipLlavaConfig, spec: ModelSpec
) -> ModelSource:
    return ModelSource(
        config,
        spec,
        VipLlavaForConditionalGeneration,
        lambda: load_processor(checkpoint, config),
    )
