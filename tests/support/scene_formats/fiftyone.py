"""FiftyOne: samples with detections, polylines and keypoints, in shares of the sides.

https://docs.voxel51.com/user_guide/import_datasets.html
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.scene_formats.scenes import BOX, POLYGON, SceneImage, SceneRegion
from tests.support.scene_formats.written import Written


def samples(folder: Path, images: Sequence[SceneImage]) -> Written:
    listed = []
    for image in images:
        image.write(folder / "data" / image.name)
        fields = {f"spot{n}": _label(region, image.size) for n, region in enumerate(image.regions)}
        size = {"_cls": "ImageMetadata", "width": image.size[0], "height": image.size[1]}
        listed.append({"filepath": f"data/{image.name}", "metadata": size, "tags": [], **fields})
    file = folder / "samples.json"
    file.write_text(json.dumps({"samples": listed}), "utf-8")
    return Written(file)


def _label(region: SceneRegion, size: tuple[int, int]) -> dict[str, Any]:
    """Return a label in a list of labels, or a single one for a point."""
    width, height = size
    shares = [[x / width, y / height] for x, y in region.points]
    if region.kind == BOX:
        left, top, right, bottom = region.box
        box = [left / width, top / height, (right - left) / width, (bottom - top) / height]
        detection = {"_cls": "Detection", "label": region.label, "bounding_box": box}
        return {"_cls": "Detections", "detections": [detection]}
    if region.kind == POLYGON:
        line = {"_cls": "Polyline", "label": region.label, "points": [shares], "closed": True}
        return {"_cls": "Polylines", "polylines": [{**line, "filled": True}]}
    return {"_cls": "Keypoint", "label": region.label, "points": shares}
