"""The images of Label Studio's tasks: uploads, files of a local storage, and addresses."""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from vipllava_cli.errors import InputError
from vipllava_cli.images.data_address import is_data_address
from vipllava_cli.images.source import is_address
from vipllava_cli.sources.folder import image_suffixes

# Label Studio puts it before the name of an upload.
_UPLOADED = re.compile(r"\A[0-9a-f]{4,8}-(?=.)")
_SERVER_PATHS = ("/data/upload/", "/data/local-files/", "/storage-data/", "/presign/")
_COMMON_FIELDS = ("image", "img")  # templates use these names for a tag and for a field

AMBIGUOUS = "the task has several images, and the file does not say which one its regions are on"


@dataclass(frozen=True)
class TaskImage:
    """An image of a task. Its file has one of `names`; `address` is on the web.

    `item` is its number among the images of a field, from 0.
    """

    field: str
    name: str
    names: tuple[str, ...]
    address: str | None = None
    item: int = 0


def task_images(task: Mapping[str, Any], prefers_files: bool) -> list[TaskImage]:
    """Return the images of a task. With `prefers_files`, addresses may be files, too."""
    data = task.get("data")
    fields = data if isinstance(data, dict) else task
    return list(_iter_images(fields, prefers_files))


def _iter_images(fields: Mapping[str, Any], prefers_files: bool) -> Iterator[TaskImage]:
    for field, value in fields.items():
        values = value if isinstance(value, list) else [value]
        texts = [text for text in values if isinstance(text, str) and text]
        if len(texts) != len(values) or not texts:
            continue
        if field in _COMMON_FIELDS or all(map(_is_image, texts)):
            for item, text in enumerate(texts):
                yield _task_image(field, text, item, prefers_files)


def _is_image(text: str) -> bool:
    return text.startswith("data:image/") or _path(text).lower().endswith(image_suffixes())


def _task_image(field: str, text: str, item: int, prefers_files: bool) -> TaskImage:
    is_on_web = is_address(text) and not any(part in text for part in _SERVER_PATHS)
    path = text if is_data_address(text) else _path(text)
    if not is_on_web:
        return TaskImage(field, path, (path,), None, item)
    name = path if is_data_address(path) else path.rpartition("/")[2] or path
    return TaskImage(field, name, (path,) if prefers_files else (), text, item)


def _path(text: str) -> str:
    """Return the path in the name of an image: of a local file, a bucket or an address."""
    try:
        parts = urlsplit(text) if "?" in text or "://" in text else None
    except ValueError:  # an address like http://[x
        return text
    query = parse_qs(parts.query) if parts else {}
    if parts and "d" in query:  # /data/local-files/?d=folder/a.jpg
        return query["d"][0]
    if "fileuri" in query:  # the address in a bucket, in base64
        encoded = query["fileuri"][0]
        try:
            return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
        except ValueError:
            return text
    if parts and parts.scheme.lower() in ("http", "https"):
        return unquote(parts.path)
    return text


def original_name(name: str) -> str:
    """Return the name of the file that was uploaded: `0f61ab27-a.jpg` -> `a.jpg`."""
    if is_data_address(name):
        return name
    return _UPLOADED.sub("", re.split(r"[\\/]", name)[-1])


def choose_image(images: Sequence[TaskImage], field: Any, item: Any) -> TaskImage:
    """Return the image that a region is on. `field` is its `to_name`, `item` its `item_index`.

    Raises InputError if it is not certain.
    """
    fields = list(dict.fromkeys(image.field for image in images))
    names = [each for each in fields if each == field]
    if not names and field in _COMMON_FIELDS:
        names = [each for each in fields if each in _COMMON_FIELDS]
    chosen = names or fields
    of_field = [image for image in images if image.field == chosen[0]]
    if len(chosen) > 1 or (len(of_field) > 1 and not isinstance(item, int)):
        raise InputError(AMBIGUOUS)
    number = item if isinstance(item, int) else 0
    found = next((image for image in of_field if image.item == number), None)
    if found is None:
        raise InputError(f"a region is on image {number}, and the task has {len(of_field)} images")
    return found
