"""The images of a YOLO dataset: a folder, or the lists in a `data.yaml` or an `obj.data`."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from vipllava_cli.errors import short_name
from vipllava_cli.sources.darknet import (
    find_near,
    is_darknet,
    is_image_folder,
    iter_splits,
    read_entries,
)
from vipllava_cli.sources.files import read_text
from vipllava_cli.sources.folder import image_suffixes, list_folder
from vipllava_cli.sources.yaml_files import load_yaml
from vipllava_cli.sources.yolo_classes import (
    DatasetInfo,
    darknet_info,
    folder_info,
    yaml_info,
)
from vipllava_cli.storage.counts import count_noun, list_some

IMAGES = "images"
_YAML_SPLITS = ("train", "val", "valid", "test")


@dataclass(frozen=True)
class Dataset:
    """The images of a dataset: paths relative to `folder`, and notes for the user.

    `texts` are the paths of text files that may be label files. `missing` are images that a list names
    and that do not exist.
    """

    folder: str
    images: Sequence[str]
    texts: Sequence[str]
    info: DatasetInfo
    notes: Sequence[str] = ()
    missing: Sequence[str] = ()


def open_dataset(name: str, encoding: str | None = None) -> Dataset:
    """List the images of a folder, a `data.yaml` or an `obj.data`. Raises InputError."""
    if os.path.isdir(name):
        listing = list_folder(name)
        images = [path for path in listing.images if IMAGES in path.split("/")[:-1]]
        info = folder_info(name, listing.others, encoding)
        return Dataset(name, images or listing.images, listing.with_suffix(".txt"), info)
    if is_darknet(name):
        return _open_darknet(name, encoding)
    return _open_yaml(name, encoding)


@dataclass
class _Listed:
    """The images that the entries of a dataset file name, in order; and what does not exist."""

    images: dict[str, None] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, path: str, folders: Sequence[str], encoding: str | None) -> None:
        """Add the images of a folder, or of a text file with one image per line."""
        if os.path.isdir(path):
            names = (os.path.join(path, image) for image in list_folder(path).images)
            self.images.update(dict.fromkeys(names))
            return
        if path.lower().endswith(image_suffixes()):
            self.images[path] = None
            return
        near = [os.path.dirname(path), *folders]
        for line in filter(None, map(str.strip, read_text(path, encoding).splitlines())):
            own = os.path.normpath(os.path.join(near[0], line.replace("\\", "/")))
            found = own if os.path.isfile(own) else find_near(line, near)
            if found is not None and os.path.isfile(found):
                self.images[found] = None
            else:
                self.missing.append(line)


def _open_yaml(file: str, encoding: str | None) -> Dataset:
    """List the images of the splits. Without a split that exists, list the dataset's folder."""
    content = load_yaml(file, encoding)
    info = yaml_info(file, encoding)
    own_folder = os.path.dirname(file) or os.curdir
    path = content.get("path")
    named = os.path.join(own_folder, path) if isinstance(path, str) else own_folder
    folder = os.path.normpath(named if is_image_folder(named) else own_folder)
    listed = _Listed()
    for split in _YAML_SPLITS:
        for entry in _entries(content.get(split)):
            found = _find_entry([folder, own_folder], entry)
            if found is None:
                listed.notes.append(
                    f"{file}: found no {split}: {short_name(entry)}; its images are skipped"
                )
            else:
                listed.add(found, [folder, own_folder], encoding)
    return _make_dataset(folder, listed, info)


def _open_darknet(file: str, encoding: str | None) -> Dataset:
    """List the images of the lists. Without a list that exists, list the folder of the file."""
    folder = os.path.dirname(file) or os.curdir
    folders = [folder, os.path.join(folder, os.pardir)]
    listed = _Listed()
    for split, entry in iter_splits(read_entries(file, encoding)):
        found = find_near(entry, folders)
        if found is None:
            listed.notes.append(
                f"{file}: found no {split} = {short_name(entry)}; its images are skipped"
            )
        else:
            listed.add(found, folders, encoding)
    return _make_dataset(folder, listed, darknet_info(file, encoding))


def _make_dataset(folder: str, listed: _Listed, info: DatasetInfo) -> Dataset:
    if not listed.images and not listed.missing:
        listing = list_folder(folder)
        return Dataset(folder, listing.images, listing.with_suffix(".txt"), info)
    images = [_relative(image, folder) for image in listed.images]
    texts = [_relative(text, folder) for text in _texts(folder, listed.missing)]
    notes = list(listed.notes)
    if listed.missing:
        notes.append(
            f"{count_noun(len(listed.missing), 'listed image')} not found:"
            f" {list_some(listed.missing)}"
        )
    return Dataset(folder, images, texts, info, notes, listed.missing)


def _texts(folder: str, missing: Sequence[str]) -> Iterator[str]:
    """Find the label files of images that do not exist: beside them, or in `labels`."""
    for image in missing:
        stem = os.path.splitext(image)[0].replace("\\", "/")
        in_labels = re.sub(rf"(.*/|\A){IMAGES}/", r"\1labels/", stem, count=1)
        for name in dict.fromkeys((in_labels, stem)):
            found = find_near(f"{name}.txt", [folder])
            if found:
                yield found
                break


def _relative(path: str, folder: str) -> str:
    return os.path.relpath(path, folder).replace(os.sep, "/")


def _entries(value: Any) -> list[str]:
    """Return the paths of a split: one, or a list."""
    values = value if isinstance(value, list) else [value]
    return [entry for entry in values if isinstance(entry, str) and entry]


def _find_entry(folders: Sequence[str], entry: str) -> str | None:
    """Find a folder or a list of images. Roboflow writes `../train/images` for `train/images`."""
    slashed = entry.replace("\\", "/")
    for name in (slashed, re.sub(r"^(?:\.\./)+", "", slashed)):
        for folder in folders:
            path = os.path.normpath(os.path.join(folder, name))
            if os.path.isfile(path) or is_image_folder(path):  # no device, which may never end
                return path
    return None
