"""Boxes as masks: run lengths of CVAT and of Label Studio's brush, bitmaps of Supervisely."""

import base64
import io
import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
from PIL import Image

from tests.support.scene_formats import one_file
from tests.support.scene_formats.scenes import SceneImage, SceneRegion
from tests.support.scene_formats.written import Written


def _edges(region: SceneRegion) -> tuple[int, int, int, int]:
    """Return the first and the last column and row, exclusive, of a box."""
    left, top, right, bottom = map(round, region.box)
    return left, top, right, bottom


# --- CVAT for images 1.1 ---------------------------------------------------------------------


def cvat(folder: Path, images: Sequence[SceneImage]) -> Written:
    return one_file.cvat(folder, images, _cvat_mask)


def _cvat_mask(region: SceneRegion) -> str:
    """Write a mask with a margin of one pixel, so that it begins outside."""
    left, top, right, bottom = _edges(region)
    inside, width, height = right - left, right - left + 2, bottom - top + 2
    runs = [width + 1, *[inside, 2] * (height - 3), inside, 1 + width]
    return (
        f'<mask label={quoteattr(region.label)} source="semi-auto" occluded="0" z_order="0"'
        f' rle="{", ".join(map(str, runs))}" left="{left - 1}" top="{top - 1}" width="{width}"'
        f' height="{height}"></mask>'
    )


# --- Label Studio ----------------------------------------------------------------------------


def _brush(region: SceneRegion, size: tuple[int, int]) -> list[int]:
    """Encode RGBA values in runs of one length and in runs of several values.

    https://github.com/thi-ng/umbrella/tree/develop/packages/rle-pack
    """
    width, height = size
    left, top, right, bottom = _edges(region)
    values = np.zeros((height, width, 4), np.uint8)
    values[top:bottom, left:right, 3] = 255
    flat = values.reshape(-1).tolist()
    bits = [f"{len(flat):032b}", f"{8 - 1:05b}", *(f"{each - 1:04b}" for each in (3, 4, 8, 16))]
    at = 0
    while at < len(flat):
        end = at + 1
        while end < len(flat) and flat[end] == flat[at] and end - at < 1 << 16:
            end += 1
        if end - at > 3:
            bits.append(f"111{end - at - 1:016b}{flat[at]:08b}")
        else:  # four values of their own: the alpha of one pixel among zeros
            end = min(at + 4, len(flat))
            listed = "".join(f"{value:08b}" for value in flat[at:end])
            bits.append(f"000{end - at - 1:03b}{listed}")
        at = end
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return [int(text[start : start + 8], 2) for start in range(0, len(text), 8)]


def label_studio(folder: Path, images: Sequence[SceneImage]) -> Written:
    tasks = []
    for number, image in enumerate(images, 1):
        image.write(folder / "images" / image.name)
        results = [
            {
                "original_width": image.size[0],
                "original_height": image.size[1],
                "image_rotation": 0,
                "value": {
                    "format": "rle",
                    "rle": _brush(region, image.size),
                    "brushlabels": [region.label],
                },
                "id": f"r{at}",
                "from_name": "tag",
                "to_name": "image",
                "type": "brushlabels",
            }
            for at, region in enumerate(image.regions)
        ]
        annotation = {"id": number, "result": results, "was_cancelled": False}
        data = {"image": f"/data/local-files/?d=images/{image.name}"}
        tasks.append({"id": number, "annotations": [annotation], "data": data})
    file = folder / "project-1.json"
    file.write_text(json.dumps(tasks), "utf-8")
    return Written(file)


# --- Supervisely -----------------------------------------------------------------------------


def supervisely(folder: Path, images: Sequence[SceneImage]) -> Written:
    for image in images:
        image.write(folder / "ds0" / "img" / image.file_name)
        content: dict[str, Any] = {
            "size": {"height": image.size[1], "width": image.size[0]},
            "tags": [],
            "objects": [_bitmap(region) for region in image.regions],
        }
        file = folder / "ds0" / "ann" / f"{image.file_name}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content), "utf-8")
    return Written(folder)


def _bitmap(region: SceneRegion) -> dict[str, Any]:
    left, top, right, bottom = _edges(region)
    buffer = io.BytesIO()
    Image.new("1", (right - left, bottom - top), 1).save(buffer, "PNG")
    data = base64.b64encode(zlib.compress(buffer.getvalue())).decode()
    return {
        "classTitle": region.label,
        "geometryType": "bitmap",
        "tags": [],
        "bitmap": {"data": data, "origin": [left, top]},
    }
