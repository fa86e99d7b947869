"""Answers -> attributes: names and scalar values, as annotation tools hold them."""

from collections.abc import Mapping, Sequence
from typing import Any

from vipllava_cli.flows.export.dataset import Answer
from vipllava_cli.sources.coco_region import MARK_SHAPE
from vipllava_cli.sources.regions import scalar_fields
from vipllava_cli.storage.field_columns import PREFIX

LABEL_FROM_ANSWER = (
    "label_from_answer"  # the field of `extra` that `batch --label-from-answer` adds
)

# Fields of a source that describe its own geometry, or its own ids: an export has others.
_NOT_EXPORTED = (
    "rotation",
    "annotation_id",
    "iscrowd",
    "label",
    "labels",
    MARK_SHAPE,
    LABEL_FROM_ANSWER,
)
_DIGITS = 6  # of a probability

Attributes = dict[str, str | int | float | bool]


def answer_attributes(answers: Sequence[Answer]) -> Attributes:
    """Return the attributes of answers: `question`, `answer`, `model`, `probability`, then fields.

    The attributes of the second answer end in `_2`, and so on.
    """
    attributes: Attributes = {}
    for number, answer in enumerate(answers, 1):
        end = "" if number == 1 else f"_{number}"
        for name, value in _attributes(answer).items():
            attributes[f"{name}{end}"] = value
    return attributes


def _attributes(answer: Answer) -> Attributes:
    values: dict[str, Any] = {
        "question": answer.question,
        "answer": answer.text,
        "error": answer.error,
        "probability": answer.probability,
        "model": answer.model or None,
    }
    taken = frozenset(values)
    for name, value in answer.fields.items():
        key = name if name not in taken else f"{PREFIX}{name}"
        values[key] = value
        probabilities = answer.field_probabilities.get(name)
        if isinstance(probabilities, Mapping) and probabilities:
            values[f"{key}_probability"] = max(probabilities.values())
    return {name: _scalar(value) for name, value in values.items() if value is not None}


def source_attributes(extra: Mapping[str, Any], taken: Attributes) -> Attributes:
    """Return the fields of a source that are attributes of a region.

    A field with the name of one in `taken` gets a prefix: `answer` becomes `extra_answer`.
    """
    attributes: Attributes = {}
    for name, value in scalar_fields(extra).items():
        if name in _NOT_EXPORTED:
            continue
        key = name
        while key in taken or (key != name and key in extra):
            key = f"extra_{key}"
        attributes[key] = value
    return attributes


def region_attributes(extra: Mapping[str, Any], answers: Sequence[Answer]) -> Attributes:
    """Return the attributes of a region: those of its source, then those of its answers."""
    own = answer_attributes(answers)
    return {**source_attributes(extra, own), **own}


def attribute_text(value: str | int | float | bool) -> str:
    """Format the value of an attribute as text."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _scalar(value: Any) -> str | int | float | bool:
    if isinstance(value, float):
        return round(value, _DIGITS)
    return value if isinstance(value, str | int | bool) else str(value)
