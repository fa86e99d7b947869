"""ViP-Bench: images with the marks already drawn on them, and a `questions.jsonl` -> rows.

The folder holds `bbox/` or `human/` or both, each with `images/` and `questions.jsonl`; or is one
of these. https://huggingface.co/datasets/mucai/ViP-Bench
"""

import os
from collections.abc import Mapping
from functools import partial
from itertools import chain
from typing import Any

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.sources.manifest import count_objects, rows_of_lines
from vipllava_cli.sources.rows import Source

SPLITS = ("bbox", "human")
_QUESTIONS = "questions.jsonl"


def read_vip_bench(name: str) -> Source:
    """A row for each question, split by split: `v1_<question_id>` as the meta-data name it, after
    the split's name where both are there. Raises InputError for another folder.
    """
    found = splits(name)
    if not found:
        raise InputError(
            f"{name} is not ViP-Bench: expected images/ and {_QUESTIONS} in it, or in its folders"
            f" {' or '.join(SPLITS)}"
        )
    total = sum(count_objects(os.path.join(folder, _QUESTIONS)) for folder in found)
    prefixes = [f"{os.path.basename(folder)}/" if len(found) > 1 else "" for folder in found]
    rows = (
        rows_of_lines(
            os.path.join(folder, _QUESTIONS),
            os.path.join(folder, "images"),
            partial(_fields, prefix),
        )
        for folder, prefix in zip(found, prefixes, strict=True)
    )
    return Source(chain.from_iterable(rows), "vip-bench", total)


def splits(name: str) -> list[str]:
    """The folders with images and questions: the named one, or those of its splits."""
    folders = (name, *(os.path.join(name, split) for split in SPLITS))
    found = [
        folder
        for folder in folders
        if os.path.isdir(os.path.join(folder, "images"))
        and os.path.isfile(os.path.join(folder, _QUESTIONS))
    ]
    return found[:1] if name in found else found


def _fields(prefix: str, value: Mapping[str, Any]) -> Mapping[str, Any]:
    """A line in the words of a manifest. Raises InputError for one without a number or a text."""
    number, text = value.get("question_id"), value.get("text")
    if not isinstance(number, int | str) or not isinstance(text, str):
        raise InputError(f'expected a "question_id" and a "text", found {short_repr(value)}')
    rest = {field: item for field, item in value.items() if field != "text"}
    return {**rest, "id": f"{prefix}v1_{number}", "question": text}
