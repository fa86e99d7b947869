"""COCO results: a list of detections with an image id and no names -> the images that they are about.

https://cocodataset.org/#format-results
"""

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from vipllava_cli.errors import InputError
from vipllava_cli.sources.coco_region import id_key
from vipllava_cli.sources.files import read_head_text
from vipllava_cli.sources.folder import list_folder
from vipllava_cli.sources.read_options import ReadOptions

# The fields of the first result up to its `image_id`. A segmentation is an object in it.
_FIELDS = r"\A\s*\[\s*\{(?:[^{}]|\{[^{}]*\})*"
_SIGNATURE = re.compile(_FIELDS + r'"image_id"\s*:')
_NAMED = re.compile(_FIELDS + r'"image"\s*:\s*"')  # a manifest names its images
_ID_DIGITS = 12  # image 139 of COCO is 000000000139.jpg


def is_coco_results(name: str) -> bool:
    """Return whether a JSON list looks like COCO results. It may still be malformed."""
    head = read_head_text(name)
    return _SIGNATURE.match(head) is not None and _NAMED.match(head) is None


def results_images(
    name: str, results: Sequence[Any], options: ReadOptions
) -> list[Mapping[str, Any]]:
    """Return `images` for results without a COCO file: by ids that are the names of images.

    Raises InputError without `--images`, and if no id is the name of an image.
    """
    advice = "add --coco FILE, the COCO file with the names of these images"
    if not options.image_folders:
        raise InputError(f"{name} contains COCO results, which number their images: {advice}")
    paths: dict[str, str] = {}
    for folder in options.image_folders:
        for image in list_folder(folder).images:
            paths.setdefault(os.path.splitext(os.path.basename(image))[0], image)
    images: list[Mapping[str, Any]] = []
    keys = (id_key(result.get("image_id")) for result in results if isinstance(result, dict))
    for key in dict.fromkeys(keys):
        file = paths.get(str(key)) or paths.get(str(key).zfill(_ID_DIGITS))
        if key is not None and file:
            images.append({"id": key, "file_name": file})
    if not images:
        folders = ", ".join(options.image_folders)
        raise InputError(
            f"{name} contains COCO results, and no image in {folders} is named like one of their"
            f" numbers: {advice}"
        )
    return images
