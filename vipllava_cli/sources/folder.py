"""An image folder -> one row per image. Also lists folders for the other readers."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from vipllava_cli.errors import InputError
from vipllava_cli.images.suffixes import SUFFIXES
from vipllava_cli.sources.formats import SourceFormat
from vipllava_cli.sources.rows import Row, Source, StoredRows
from vipllava_cli.storage.counts import count_noun, list_some

# Suffixes of annotations, manifests and lists of images.
ANNOTATION_SUFFIXES = (
    ".csv", ".data", ".json", ".jsonl", ".labels", ".names", ".ndjson", ".tsv", ".txt", ".xml", ".yaml",
    ".yml",
)  # fmt: skip


@dataclass(frozen=True)
class Listing:
    """The files below a folder.

    Paths are relative to the folder, use forward slashes and are in natural order (2 before 10).
    `hidden` counts the hidden files and folders, `unreadable` the folders that cannot be opened.
    `irregular` are the names of pipes, devices and sockets that look like images or annotations.
    """

    images: tuple[str, ...]
    others: tuple[str, ...]
    hidden: int
    unreadable: int
    irregular: tuple[str, ...] = ()

    def with_suffix(self, suffix: str) -> list[str]:
        """Return the files other than images that have this suffix, in any letter case."""
        return [name for name in self.others if name.lower().endswith(suffix)]


def read_folder(name: str) -> Source:
    """Read one row per image. Raises InputError for a folder without images."""
    listing = list_folder(name)
    if not listing.images:
        found = f", found {count_noun(len(listing.others), 'other file')}" if listing.others else ""
        raise InputError(
            f"the folder {name} contains no image{found}: expected files like .jpg or .png"
        )
    return Source(
        StoredRows(lambda: (Row(path, os.path.join(name, path)) for path in listing.images)),
        SourceFormat.folder,
        len(listing.images),
        _notes(listing),
    )


def list_folder(folder: str) -> Listing:
    """List the files below a folder. Follows symbolic links and lists each folder once.

    Raises InputError if the folder does not exist or cannot be read.
    """
    if not os.path.isdir(folder):
        found = "is a file" if os.path.exists(folder) else "does not exist"
        raise InputError(f"{folder} {found}: expected a folder")
    errors: list[OSError] = []
    paths: list[str] = []
    irregular: list[str] = []
    hidden = 0
    for root, folders, files, others in _walk(folder, errors):
        subfolder = os.path.relpath(root, folder)
        visible = [file for file in files if not _is_hidden(file)]
        hidden += len(files) - len(visible) + sum(map(_is_hidden, folders))
        folders[:] = [name for name in folders if not _is_hidden(name)]
        paths += (os.path.normpath(os.path.join(subfolder, file)) for file in visible)
        irregular += (
            os.path.normpath(os.path.join(subfolder, name))
            for name in others
            if name.lower().endswith((*image_suffixes(), *ANNOTATION_SUFFIXES))
        )
    if any(error.filename == folder for error in errors):
        raise InputError(f"cannot read the folder {folder}: {errors[0].strerror}")
    names = (path.replace(os.sep, "/") for path in paths)
    ordered = _in_natural_order(tuple(sorted(names)))
    is_image = {name: name.lower().endswith(image_suffixes()) for name in ordered}
    return Listing(
        tuple(name for name in ordered if is_image[name]),
        tuple(name for name in ordered if not is_image[name]),
        hidden,
        len(errors),
        tuple(sorted(irregular)),
    )


def iter_subfolders(folder: str) -> Iterator[str]:
    """Iterate over the folders that `list_folder` visits, as paths in `folder`; itself is empty."""
    for root, folders, _, _ in _walk(folder, []):
        folders[:] = [name for name in folders if not _is_hidden(name)]
        yield "" if root == folder else os.path.relpath(root, folder)


# A name with one number, such as `scene-12.png`.
_NUMBERED = re.compile(r"([^0-9.]*)([0-9]{1,18})([^0-9]*)")


@lru_cache(maxsize=2)  # a run lists its folders several times, and this takes most of the time
def _in_natural_order(names: tuple[str, ...]) -> tuple[str, ...]:
    found = [match for name in names if name.isascii() and (match := _NUMBERED.fullmatch(name))]
    if len(found) == len(names) and len({match.group(1, 3) for match in found}) == 1:
        return tuple(match.string for match in sorted(found, key=lambda match: int(match[2])))
    from natsort import natsorted, ns  # takes 20 ms

    return tuple(natsorted(names, alg=ns.PATH | ns.IGNORECASE))


def image_suffixes() -> tuple[str, ...]:
    """Return the lower-case suffixes of the image formats that the program reads."""
    return SUFFIXES


def image_names(stem: str) -> list[str]:
    """Return the names that an image may have whose suffix is unknown, such as those of cameras."""
    return [stem + suffix for suffix in (*SUFFIXES, *(each.upper() for each in SUFFIXES))]


def _walk(
    folder: str, errors: list[OSError]
) -> Iterator[tuple[str, list[str], list[str], list[str]]]:
    """Walk a folder like `os.walk`, follow links, and visit each folder once.

    The last list has the names of pipes, devices and sockets. Skips a link to a folder that the walk
    visits anyway, so cycles end.
    """
    top = os.path.realpath(folder)
    visited = set()
    waiting = [folder]
    while waiting:
        root = waiting.pop()
        real = os.path.realpath(root)
        if real in visited:
            continue
        visited.add(real)
        folders, files, others = _scan(root, errors)
        folders = [name for name in folders if not _links_inside(os.path.join(root, name), top)]
        yield root, folders, files, others
        waiting += (os.path.join(root, name) for name in reversed(folders))


def _scan(folder: str, errors: list[OSError]) -> tuple[list[str], list[str], list[str]]:
    """Return the names of the folders, of the files, and of what is neither. Opens no file.

    A link without a target counts as a file: opening it says what is wrong.
    """
    folders: list[str] = []
    files: list[str] = []
    others: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    kind = folders if entry.is_dir() else files if _is_file(entry) else others
                except OSError:  # a cycle of links
                    kind = files
                kind.append(entry.name)
    except OSError as error:
        errors.append(error)
    return folders, files, others


def _is_file(entry: "os.DirEntry[str]") -> bool:
    if entry.is_file():
        return True
    return entry.is_symlink() and not os.path.exists(entry.path)


def _links_inside(path: str, top: str) -> bool:
    """Return whether a path is a link to a folder below `top` that the walk visits itself."""
    if not os.path.islink(path):
        return False
    parts = os.path.relpath(os.path.realpath(path), top).split(os.sep)
    return not any(map(_is_hidden, parts))  # `..` leads outside; the walk skips hidden folders


def _is_hidden(name: str) -> bool:
    return name.startswith(".")


def irregular_note(listing: Listing) -> str:
    """Name what is neither a file nor a folder, for a note; empty text if there is nothing."""
    if not listing.irregular:
        return ""
    count = len(listing.irregular)
    what = "1 pipe or device" if count == 1 else f"{count} pipes or devices"
    return f"{what} ({list_some(listing.irregular)})"


def _notes(listing: Listing) -> tuple[str, ...]:
    """Count the skipped files and folders in one line."""
    parts = []
    if listing.others:
        are = "is not an image" if len(listing.others) == 1 else "are not images"
        parts.append(f"{count_noun(len(listing.others), 'file')} that {are}")
    if listing.hidden:
        parts.append(count_noun(listing.hidden, "hidden item"))
    if listing.unreadable:
        parts.append(f"{count_noun(listing.unreadable, 'folder')} that cannot be opened")
    if listing.irregular:
        parts.append(irregular_note(listing))
    return (f"skipped {' and '.join(parts)}",) if parts else ()
