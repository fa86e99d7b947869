"""ViP-Bench: images with the marks already drawn, and a `questions.jsonl` -> rows.

The folder contains `bbox/` or `human/` or both, each with `images/` and `questions.jsonl`. One of these
split folders is a source too. https://huggingface.co/datasets/mucai/ViP-Bench
"""

import os
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.sources.formats import SourceFormat
from vipllava_cli.sources.manifest import count_lines, iter_jsonl_rows
from vipllava_cli.sources.read_options import DEFAULT_OPTIONS, ReadOptions
from vipllava_cli.sources.rows import BadRow, Row, Source, StoredRows

SPLITS = ("bbox", "human")
_QUESTIONS = "questions.jsonl"


def read_vip_bench(name: str, options: ReadOptions = DEFAULT_OPTIONS) -> Source:
    """Read one row per question, split by split.

    A row's id is `v1_<question_id>`, as in the benchmark's meta-data. If the folder
    contains both splits, the name of the split precedes it. Raises InputError for any other folder.
    """
    folders = find_splits(name)
    if not folders:
        raise InputError(
            f"{name} is not ViP-Bench: expected images/ and {_QUESTIONS} in it, or in its folders"
            f" {' or '.join(SPLITS)}"
        )
    total = sum(count_lines(os.path.join(folder, _QUESTIONS)) for folder in folders)
    prefixes = [f"{os.path.basename(folder)}/" if len(folders) > 1 else "" for folder in folders]

    def read() -> Iterator[Row | BadRow]:
        for folder, prefix in zip(folders, prefixes, strict=True):
            questions, images = os.path.join(folder, _QUESTIONS), os.path.join(folder, "images")
            yield from iter_jsonl_rows(questions, images, partial(_manifest_fields, prefix))

    return Source(StoredRows(read), SourceFormat.vip_bench, total)


def find_splits(name: str) -> list[str]:
    """Find the folders with images and questions: the folder itself, or its splits."""
    folders = (name, *(os.path.join(name, split) for split in SPLITS))
    splits = [
        folder
        for folder in folders
        if os.path.isdir(os.path.join(folder, "images"))
        and os.path.isfile(os.path.join(folder, _QUESTIONS))
    ]
    return splits[:1] if name in splits else splits


def _manifest_fields(prefix: str, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Rename the fields of a line to those of a manifest. Raises InputError if one is missing."""
    number, text = fields.get("question_id"), fields.get("text")
    if not isinstance(number, int | str) or not isinstance(text, str):
        raise InputError(f'expected a "question_id" and a "text", found {short_repr(fields)}')
    rest = {name: value for name, value in fields.items() if name != "text"}
    return {**rest, "id": f"{prefix}v1_{number}", "question": text}
