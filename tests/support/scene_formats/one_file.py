"""Formats with one file for many images: CVAT, Label Studio, VIA, Open Images."""

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from tests.support.scene_formats.scenes import (
    BOX,
    POINT,
    POLYGON,
    ROTATED,
    SceneImage,
    SceneRegion,
)
from tests.support.scene_formats.written import Written, label_numbers


def _write_json(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1), "utf-8")
    return path


# --- CVAT for images 1.1: https://docs.cvat.ai/docs/manual/advanced/xml_format/ ---------------


def cvat_shape(region: SceneRegion, frame: str = "") -> str:
    """Return the element of a region. `frame` are the attributes of a shape in a track."""
    common = f'{frame}label={quoteattr(region.label)} source="manual" occluded="0" z_order="0"'
    if region.kind in (POLYGON, POINT):
        tag = "polygon" if region.kind == POLYGON else "points"
        points = ";".join(f"{x:.2f},{y:.2f}" for x, y in region.points)
        return f'<{tag} {common} points="{points}"></{tag}>'
    edges = " ".join(
        f'{name}="{value:.2f}"'
        for name, value in zip(("xtl", "ytl", "xbr", "ybr"), region.box, strict=True)
    )
    rotation = f' rotation="{region.degrees:.2f}"' if region.kind == ROTATED else ""
    return f"<box {common} {edges}{rotation}></box>"


def cvat(
    folder: Path,
    images: Sequence[SceneImage],
    write_region: Callable[[SceneRegion], str] = cvat_shape,
) -> Written:
    parts = []
    for number, image in enumerate(images):
        image.write(folder / "images" / image.name)
        width, height = image.size
        shapes = "".join(map(write_region, image.regions))
        parts.append(
            f'<image id="{number}" name={quoteattr(image.name)} width="{width}" height="{height}">'
            f"{shapes}</image>\n"
        )
    text = (
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n<meta><task>'
        f"<size>{len(images)}</size><mode>annotation</mode></task></meta>\n{''.join(parts)}"
        "</annotations>\n"
    )
    (folder / "annotations.xml").write_text(text, "utf-8")
    return Written(folder / "annotations.xml")


# --- Label Studio: https://labelstud.io/guide/export -----------------------------------------

_STUDIO_TYPES = {
    BOX: "rectanglelabels",
    ROTATED: "rectanglelabels",
    POLYGON: "polygonlabels",
    POINT: "keypointlabels",
}


def _studio_value(region: SceneRegion, size: tuple[int, int]) -> dict[str, Any]:
    """Write percentages of the sides. A rotation is about the top left corner."""
    share_x, share_y = 100 / size[0], 100 / size[1]
    value: dict[str, Any] = {_STUDIO_TYPES[region.kind]: [region.label]}
    if region.kind == POLYGON:
        points = [[x * share_x, y * share_y] for x, y in region.points]
        return {**value, "points": points, "closed": True}
    if region.kind == POINT:
        [(x, y)] = region.points
        return {**value, "x": x * share_x, "y": y * share_y, "width": 0.4}
    left, top, right, bottom = region.box
    x, y = region.corners[0]
    return {
        **value,
        "x": x * share_x,
        "y": y * share_y,
        "width": (right - left) * share_x,
        "height": (bottom - top) * share_y,
        "rotation": region.degrees,
    }


def label_studio(folder: Path, images: Sequence[SceneImage]) -> Written:
    """Write tasks whose images are in a local storage."""
    tasks = []
    for number, image in enumerate(images, 1):
        image.write(folder / "images" / image.name)
        results = [
            {
                "original_width": image.size[0],
                "original_height": image.size[1],
                "image_rotation": 0,
                "value": _studio_value(region, image.size),
                "id": f"r{at}",
                "from_name": "label",
                "to_name": "image",
                "type": _STUDIO_TYPES[region.kind],
                "origin": "manual",
            }
            for at, region in enumerate(image.regions)
        ]
        address = f"/data/local-files/?d=images/{quote(image.name)}"
        annotation = {"id": number, "completed_by": 1, "result": results, "was_cancelled": False}
        tasks.append({"id": number, "annotations": [annotation], "data": {"image": address}})
    return Written(_write_json(folder / "project-1-at-2024-05-01.json", tasks))


def label_studio_min(folder: Path, images: Sequence[SceneImage]) -> Written:
    """Write JSON-MIN, with images that Label Studio renamed when they were uploaded."""
    tasks = []
    for number, image in enumerate(images, 1):
        name = f"{number:08x}-{image.file_name}"
        image.write(folder / "images" / name)
        values = [
            {
                **_studio_value(region, image.size),
                "original_width": image.size[0],
                "original_height": image.size[1],
            }
            for region in image.regions
        ]
        tasks.append({"image": f"/data/upload/1/{quote(name)}", "id": number, "label": values})
    return Written(_write_json(folder / "project-1-min.json", tasks))


# --- VIA: https://www.robots.ox.ac.uk/~vgg/software/via/ --------------------------------------


def _via_shape(region: SceneRegion) -> dict[str, Any]:
    if region.kind == POLYGON:
        xs, ys = zip(*region.points, strict=True)
        return {"name": "polygon", "all_points_x": list(xs), "all_points_y": list(ys)}
    if region.kind == POINT:
        [(x, y)] = region.points
        return {"name": "point", "cx": x, "cy": y}
    left, top, right, bottom = region.box
    return {"name": "rect", "x": left, "y": top, "width": right - left, "height": bottom - top}


def _via_images(folder: Path, images: Sequence[SceneImage]) -> dict[str, Any]:
    content = {}
    for image in images:
        image.write(folder / image.name)
        regions = [
            {"shape_attributes": _via_shape(each), "region_attributes": {"label": each.label}}
            for each in image.regions
        ]
        size = len(image.data)
        content[f"{image.name}{size}"] = {
            "filename": image.name,
            "size": size,
            "regions": regions,
            "file_attributes": {},
        }
    return content


def via(folder: Path, images: Sequence[SceneImage]) -> Written:
    """Write a project of VIA 2."""
    options = dict.fromkeys(label_numbers(images), "")
    attribute = {"type": "dropdown", "description": "", "options": options, "default_options": {}}
    content = _via_images(folder, images)
    project = {
        "_via_settings": {"ui": {}, "core": {"buffer_size": 18}, "project": {"name": "scenes"}},
        "_via_img_metadata": content,
        "_via_attributes": {"region": {"label": attribute}, "file": {}},
        "_via_data_format_version": "2.0.10",
        "_via_image_id_list": list(content),
    }
    return Written(_write_json(folder / "via_project.json", project))


def via_json(folder: Path, images: Sequence[SceneImage]) -> Written:
    """Write the annotations that VIA 2 exports as JSON."""
    return Written(_write_json(folder / "via_region_data.json", _via_images(folder, images)))


def via_csv(folder: Path, images: Sequence[SceneImage]) -> Written:
    """Write the annotations that VIA 2 exports as CSV: one line for each region."""
    path = folder / "via_region_data.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            [
                "filename",
                "file_size",
                "file_attributes",
                "region_count",
                "region_id",
                "region_shape_attributes",
                "region_attributes",
            ]
        )
        for fields in _via_images(folder, images).values():
            regions = fields["regions"]
            for number, region in enumerate(regions):
                shape, attributes = region["shape_attributes"], region["region_attributes"]
                head = [fields["filename"], fields["size"], "{}", len(regions), number]
                writer.writerow([*head, json.dumps(shape), json.dumps(attributes)])
    return Written(path)


# --- Open Images: https://storage.googleapis.com/openimages/web/download_v7.html --------------


def open_images_label(label: str) -> str:
    """Return a machine id, as the table has in place of a name."""
    return f"/m/{label.encode().hex()[:8]}"


def open_images(folder: Path, images: Sequence[SceneImage]) -> Written:
    path = folder / "validation-annotations-bbox.csv"
    lines = [
        "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,"
        "IsDepiction,IsInside"
    ]
    for image in images:
        image.write(folder / "images" / image.file_name)
        width, height = image.size
        for region in image.regions:
            left, top, right, bottom = region.box
            edges = (left / width, right / width, top / height, bottom / height)
            shares = ",".join(f"{edge:.6f}" for edge in edges)
            label = open_images_label(region.label)
            lines.append(f"{image.stem},xclick,{label},1,{shares},0,0,0,0,0")
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return Written(path)
