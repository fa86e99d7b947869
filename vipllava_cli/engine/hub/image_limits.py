"""The sizes that the image processor of a checkpoint leaves as they are. Imports no torch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vipllava_cli.engine.hub.checkpoints import PROCESSOR_FILES
from vipllava_cli.engine.hub.checks.files import read_json
from vipllava_cli.images.resized import SizeLimits

# Of Qwen2VLImageProcessor in transformers, for the fields that a file leaves out.
_PATCH, _MERGE = 14, 2
_MIN_PIXELS, _MAX_PIXELS = 56 * 56, 28 * 28 * 1280


def read_size_limits(folder: Path) -> SizeLimits | None:
    """Read the limits of a checked checkpoint.

    None if its processor does not choose sizes by the number of pixels. Raises ModelError.
    """
    values = _read_processor(folder)
    if not str(values.get("image_processor_type", "")).startswith("Qwen2VL"):
        return None
    size = values["size"] if isinstance(values.get("size"), dict) else {}
    step = (values.get("patch_size") or _PATCH) * (values.get("merge_size") or _MERGE)
    least = values.get("min_pixels") or size.get("shortest_edge") or _MIN_PIXELS
    most = values.get("max_pixels") or size.get("longest_edge") or _MAX_PIXELS
    return SizeLimits(step, least, most)


def _read_processor(folder: Path) -> Mapping[str, Any]:
    """Return the fields of the image processor from the first file that has them, as transformers."""
    for file, part in PROCESSOR_FILES.items():
        path = folder / file
        values = read_json(path, folder.name) if path.is_file() else {}
        found = values.get(part) if part else values
        if found:
            return dict(found)
    return {}
