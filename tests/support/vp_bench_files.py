"""Small files of VP-Bench, written from clip-art scenes: marks in its eight shapes are in the images.

The columns and their types are those of VP-Bench's repository.
"""

import base64
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFont

from tests.support.benchmark_files import TESTED
from vipllava_cli.engine.prompts.phrases import place_phrase
from vipllava_cli.flows.evals.clipart.scenes import (
    SIMPLE,
    MarkedScene,
    Scene,
    make_scene,
    mark_placement,
    scene_rng,
)
from vipllava_cli.marks.colors import MODEL_COLORS

# Shape in VP-Bench -> shape of a mark. The shipped model never saw a tag.
SHAPES: Mapping[str, str | None] = {
    "tag": None,
    "bounding box": "box",
    "arrow": "arrow",
    "mask": "mask",
    "contour": "contour",
    "oval": "ellipse",
    "point": "point",
    "scribble": "scribble",
}
TRAINED = tuple(shape for shape, mark in SHAPES.items() if mark)
Row = dict[str, Any]


def png(image: Image.Image) -> str:
    """Return the image as a PNG in base64."""
    data = io.BytesIO()
    image.save(data, "PNG", compress_level=1)
    return base64.b64encode(data.getvalue()).decode()


def small_png(grey: int = 128) -> str:
    return png(Image.new("RGB", (64, 48), (grey, grey, grey)))


def cut_png() -> str:
    return base64.b64encode(base64.b64decode(small_png())[:40]).decode()


def stage_1_rows(count: int) -> list[Row]:
    """Return rows about the first of 1 to 3 marks. The shapes take turns, and so do the letters."""
    rows: list[Row] = []
    number = 0
    while len(rows) < count:
        rng = scene_rng(TESTED, 1_000_000 + number)
        number += 1
        scene = make_scene(rng, SIMPLE, classes=rng.choice(80, 4, replace=False).tolist())
        if len(scene.placements) == 4:
            shape = list(SHAPES)[len(rows) % len(SHAPES)]
            rows.append(_row(rng, scene, shape, len(rows)))
    return rows


def _row(rng: Generator, scene: Scene, shape: str, number: int) -> Row:
    amount = 1 + number // len(SHAPES) % 3
    names = [placement.object_class.phrase for placement in scene.placements]
    correct = number // 3 % 4
    options = [*names[1 : correct + 1], names[0], *names[correct + 1 :]]
    mark = SHAPES[shape]
    if mark is None:
        image, place = _tagged(scene, amount), "at the red tag 1"
    else:
        marks = tuple(
            mark_placement(rng, scene.placements[at], mark, MODEL_COLORS[at])
            for at in range(amount)
        )
        image = MarkedScene(scene, marks, tuple(range(amount))).image
        place = place_phrase(marks[0])
    return {
        "index": number + 1,
        "context": "",
        "question": f"what is {place}?",
        **dict(zip("ABCD", options, strict=True)),
        "answer": "ABCD"[correct],
        "image": png(image),
        "vp_amount": str(amount),
        "vp_shape": shape,
        "vp_properties": f"red, width {3 + number % 2}",
    }


def _tagged(scene: Scene, amount: int) -> Image.Image:
    image = scene.image.copy()
    draw = ImageDraw.Draw(image)
    for number, placement in enumerate(scene.placements[:amount], 1):
        x, y = placement.center
        draw.rectangle((x - 9, y - 9, x + 9, y + 9), fill="red")
        draw.text((x - 3, y - 6), str(number), "white", ImageFont.load_default())
    return image


def write_parquet(
    path: Path, rows: Iterable[Row], *, group_rows: int | None = None, schema: Any = None
) -> Path:
    """Write rows, with `group_rows` in each row group; all in one by default."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(list(rows), schema=schema)
    pq.write_table(table, path, row_group_size=group_rows, compression="zstd")
    return path


def write_tsv(path: Path, rows: Sequence[Row]) -> Path:
    """Write rows as the table for VLMEvalKit, which calls the context `hint`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = [{"context": "hint", "vp_shape": "category"}.get(name, name) for name in rows[0]]
    lines = ["\t".join(names), *("\t".join(str(row[name]) for name in rows[0]) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def stage_2_rows(rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Return rows as VP-Bench's `tools/collect2parquet.py` writes them: JSON in texts.

    A row has `view`, `image`, `bbox`, `polygon`, and the fields of a question.
    """
    return [
        {
            "meta_source": row.get("source", "clip-art"),
            "data_file": [row["view"]],
            "image": json.dumps({row["view"]: row["image"]}),
            "meta_bbox": json.dumps(_by_view(row, "bbox")),
            "meta_polygon": json.dumps(_by_view(row, "polygon")),
            "meta_annotation": "{}",
            "question": row["question"],
            **{letter: row.get(letter, "") for letter in "ABCD"},
            "answer": row["answer"],
        }
        for row in rows
    ]


def _by_view(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {row["view"]: {"default": row[name]}} if row.get(name) else {}


def write_large(path: Path, count: int) -> Path:
    """Write rows with different images of 70 KB in one row group, without holding them all."""
    noise = os.urandom(50_000)
    head = base64.b64decode(small_png())
    names = ("index", "question", "A", "B", "answer", "image", "vp_amount", "vp_shape")
    schema = pa.schema([(name, pa.string()) for name in names])
    texts = {"question": "what?", "A": "a dog", "B": "a cat", "answer": "B"}
    texts |= {"vp_amount": "1", "vp_shape": "arrow"}
    rows = (
        texts
        | {"index": str(number)}
        | {"image": base64.b64encode(head + str(number).encode() + noise).decode()}
        for number in range(count)
    )
    return write_parquet(path, rows, schema=schema)
