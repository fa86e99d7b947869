"""COCO results: a list of detections with an image id and no names -> the images that they are about.

https://cocodataset.org/#format-results
"""

import os
import re
from collections import defaultdict
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
    source: str, results: Sequence[Any], options: ReadOptions
) -> list[Mapping[str, Any]]:
    """Return `images` for results without a COCO file: by ids that are the names of images.

    Raises InputError without `--images`, if no id is the name of an image, and if one is of several.
    """
    advice = "add --coco FILE, the COCO file with the names of these images"
    if not options.image_folders:
        raise InputError(f"{source} contains COCO results, which number their images: {advice}")
    paths: dict[str, dict[str, None]] = defaultdict(dict)
    for folder in options.image_folders:
        for image in list_folder(folder).images:
            file = os.path.basename(image)
            for key in (file, os.path.splitext(file)[0]):
                paths[key][image] = None
    images: list[Mapping[str, Any]] = []
    known = (result for result in results if isinstance(result, dict))
    named = {id_key(result.get("image_id")): result for result in known}
    for id, result in named.items():
        if id is None:
            continue
        spellings = (str(result["image_id"]), str(id), str(id).zfill(_ID_DIGITS))
        found = list(next(filter(None, map(paths.get, spellings)), ()))
        name = result.get("file_name")
        if isinstance(name, str) and name:  # Ultralytics writes it
            images.append({"id": id, "file_name": name})
        elif len(found) > 1:
            raise InputError(
                f"the image {id} of {source} may be {found[0]} or {found[1]}: {advice}"
            )
        elif found:
            images.append({"id": id, "file_name": found[0]})
    if not images:
        folders = ", ".join(options.image_folders)
        raise InputError(
            f"{source} contains COCO results, and no image in {folders} is named like one of their"
            f" numbers: {advice}"
        )
    return images
