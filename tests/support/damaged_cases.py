"""Small sources to damage, for shapes that the scene set lacks: masks, videos, key points."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tests.support.scene_formats.scenes import scene_set
from tests.support.scene_formats.written import Written
from tests.support.sources import write_vip_bench

CASES = Path(__file__).parent.parent / "fixtures" / "cases"

Write = Callable[[Path], Written]

# Files as other programs write them, below CASES.
_FIXTURES: Mapping[str, Sequence[str]] = {
    "coco": ("03-coco-empty-bbox", "09-coco-exif", "10-coco-resized", "14-roboflow-coco-folder"),
    "labelme": ("30-labelme-mask", "33-labelme-imagedata-only", "37-labelme-size-mismatch"),
    "voc": ("40-voc-float-order", "48-voc-no-name-xml-decl-space"),
    "yolo": ("50-yolo-pose4", "51-yolo-track", "58b-yolo-train-txt", "59-yolo-names-str"),
    "cvat": ("60-cvat-xml",),
    "label-studio": ("61-labelstudio-json/project-1.json", "61-labelstudio-json/min.json"),
    "image-folder": ("65-hf-imagefolder",),
    "json": ("66-llava-jsonl/train.json", "66-llava-jsonl/vip.json"),
    "jsonl": ("66-llava-jsonl/questions.jsonl", "67-manifest-bbox-columns/m.jsonl"),
    "csv": ("67-manifest-bbox-columns/m.csv", "67-manifest-bbox-columns/Caps.csv"),
    "open-images": ("68-openimages",),
}


def case_writers(reader: str) -> list[Write]:
    """List what writes the cases of a reader."""
    fixtures = [partial(_copy, case) for case in _FIXTURES.get(reader, ())]
    return [*fixtures, *_WRITERS.get(reader, ())]


def _copy(case: str, folder: Path) -> Written:
    name, _, file = case.partition("/")
    shutil.copytree(CASES / name, folder, dirs_exist_ok=True)
    return Written(folder / file if file else folder)


def _write_with_image(folder: Path, name: str, text: str) -> Written:
    """Write a file about the first image of the scene set, `a.jpg`."""
    image = scene_set()[0]
    image.write(folder / image.name)
    (folder / name).write_text(text, "utf-8")
    return Written(folder / name)


def _coco_masks(folder: Path) -> Written:
    """Write masks as run lengths, plain and compressed, and key points."""
    width, height = scene_set()[0].size
    half, middle = width * height // 2, height * 5
    masks = (
        {"size": [height, width], "counts": [half, middle, width * height - half - middle]},
        {"size": [20, 20], "counts": "Y54c0YO0"},
    )
    common = {"image_id": 1, "category_id": 1}
    annotations: list[dict[str, Any]] = [
        {**common, "id": number, "segmentation": mask, "iscrowd": 1}
        for number, mask in enumerate(masks, 1)
    ]
    points = [10, 10, 2, 30, 40, 1, 0, 0, 0]
    annotations.append({**common, "id": 3, "keypoints": points, "num_keypoints": 2})
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": width, "height": height}],
        "annotations": annotations,
        "categories": [
            {"id": 1, "name": "thing", "keypoints": ["a", "b", "c"], "skeleton": [[1, 2]]}
        ],
    }
    return _write_with_image(folder, "instances.json", json.dumps(content))


def _cvat_shapes(folder: Path) -> Written:
    """Write the shapes that are no boxes or outlines."""
    text = """<annotations><version>1.1</version><image id="0" name="a.jpg">
    <mask label="a" rle="3, 5, 2, 10" left="2" top="3" width="5" height="4"/>
    <ellipse label="a" cx="50" cy="40" rx="20" ry="10" rotation="30"/>
    <polyline label="a" points="1,1;20,30;40,20"/>
    <cuboid label="a" xtl1="1" ytl1="1" xbl1="1" ybl1="30" xtr1="20" ytr1="1" xbr1="20" ybr1="30"
      xtl2="25" ytl2="1" xbl2="25" ybl2="30" xtr2="5" ytr2="1" xbr2="5" ybr2="30"/>
    <skeleton label="b"><points label="1" points="5,6" outside="0"/></skeleton>
    <tag label="c"/></image></annotations>"""
    return _write_with_image(folder, "annotations.xml", text)


def _cvat_video(folder: Path) -> Written:
    text = """<annotations><version>1.1</version><meta><task><mode>interpolation</mode>
    <original_size><width>60</width><height>40</height></original_size></task></meta>
    <track id="0" label="a"><box frame="0" keyframe="1" outside="0" xtl="1" ytl="2" xbr="30" ybr="20"/>
    <box frame="4" keyframe="1" outside="1" xtl="5" ytl="6" xbr="34" ybr="24"/></track>
    <track id="1" label="b"><polygon frame="2" keyframe="1" outside="0" points="1,1;9,1;5,9"/></track>
    </annotations>"""
    scene_set()[0].write(folder / "images" / "frame_000000.jpg")
    return _write_with_image(folder, "annotations.xml", text)


def _studio_shapes(folder: Path) -> Written:
    """Write a brush, whose bytes are packed, and a rotated ellipse."""
    common = {"original_width": 60, "original_height": 40, "image_rotation": 0, "to_name": "image"}
    values: list[tuple[str, dict[str, Any]]] = [
        (
            "brushlabels",
            {"format": "rle", "rle": [0, 0, 37, 128, 57, 27, 252, 148, 160, 0, 4, 160]},
        ),
        ("ellipselabels", {"x": 50, "y": 50, "radiusX": 20, "radiusY": 10, "rotation": 30}),
        ("labels", {"x": 5, "y": 5, "width": 20, "height": 30, "rotation": 0}),
        ("choices", {"choices": ["good"]}),
    ]
    results = [
        {**common, "id": f"r{number}", "type": kind, "value": {**value, kind: ["a"]}}
        for number, (kind, value) in enumerate(values)
    ]
    task = {"id": 1, "data": {"image": "/data/upload/1/0a1b2c3d-a.jpg"}}
    annotations = [{"id": 1, "result": results}]
    return _write_with_image(
        folder, "export.json", json.dumps([{**task, "annotations": annotations}])
    )


_WRITERS: Mapping[str, Sequence[Write]] = {
    "coco": (_coco_masks,),
    "cvat": (_cvat_shapes, _cvat_video),
    "label-studio": (_studio_shapes,),
    "vip-bench": (lambda folder: Written(write_vip_bench(folder)),),
}
