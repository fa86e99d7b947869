"""A folder of images -> a row for each; and what lies in a folder, for the sources that need it."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from vipllava_cli.errors import InputError
from vipllava_cli.sources.files import count_noun
from vipllava_cli.sources.rows import Row, Source


@dataclass(frozen=True)
class Listing:
    """The files below a folder, from it and with forward slashes, in natural order (2 before 10);
    how many hidden files and folders, and folders that cannot be opened, were passed over.
    """

    images: tuple[str, ...]
    others: tuple[str, ...]
    hidden: int
    closed: int

    def ending(self, suffix: str) -> list[str]:
        """The files that are not images with this suffix."""
        return [name for name in self.others if name.lower().endswith(suffix)]


def read_folder(name: str) -> Source:
    """A row for each image. Raises InputError for a folder without any."""
    listing = list_folder(name)
    if not listing.images:
        found = f", found {count_noun(len(listing.others), 'other file')}" if listing.others else ""
        raise InputError(
            f"the folder {name} holds no image{found}: expected files like .jpg or .png"
        )
    rows: Iterator[Row] = (Row(path, os.path.join(name, path)) for path in listing.images)
    return Source(rows, "folder", len(listing.images), _notes(listing))


def list_folder(folder: str) -> Listing:
    """What lies below a folder, each folder once however links lead to it. Raises InputError."""
    from natsort import natsorted, ns

    if not os.path.isdir(folder):
        found = "is a file" if os.path.exists(folder) else "is not there"
        raise InputError(f"{folder} {found}: expected a folder")
    errors: list[OSError] = []
    found_files: list[str] = []
    hidden = 0
    for root, folders, files in _walk(folder, errors):
        inside = os.path.relpath(root, folder)
        visible = [file for file in files if not _is_hidden(file)]
        hidden += len(files) - len(visible) + sum(map(_is_hidden, folders))
        folders[:] = [name for name in folders if not _is_hidden(name)]
        found_files += (os.path.normpath(os.path.join(inside, file)) for file in visible)
    if any(fault.filename == folder for fault in errors):
        raise InputError(f"the folder {folder} cannot be read: {errors[0].strerror}")
    names = (file.replace(os.sep, "/") for file in found_files)
    ordered = natsorted(sorted(names), alg=ns.PATH | ns.IGNORECASE)
    is_image = {name: name.lower().endswith(image_suffixes()) for name in ordered}
    return Listing(
        tuple(name for name in ordered if is_image[name]),
        tuple(name for name in ordered if not is_image[name]),
        hidden,
        len(errors),
    )


@cache
def image_suffixes() -> tuple[str, ...]:
    """The suffixes, in lower case, of the formats that images are read from."""
    from PIL import Image

    from vipllava_cli.images.load import FORMATS

    registered = Image.registered_extensions().items()
    return tuple(suffix for suffix, kind in registered if kind in FORMATS)


def _walk(folder: str, errors: list[OSError]) -> Iterator[tuple[str, list[str], list[str]]]:
    """`os.walk` through links too, without going round: a link into what is walked anyway, or to
    where the walk has been, is left out.
    """
    top = os.path.realpath(folder)
    been = set()
    for root, folders, files in os.walk(folder, onerror=errors.append, followlinks=True):
        real = os.path.realpath(root)
        if real in been:
            folders.clear()
            continue
        been.add(real)
        folders[:] = [name for name in folders if not _leads_back(os.path.join(root, name), top)]
        yield root, folders, files


def _leads_back(path: str, top: str) -> bool:
    if not os.path.islink(path):
        return False
    inside = os.path.relpath(os.path.realpath(path), top).split(os.sep)
    return not any(map(_is_hidden, inside))  # neither above, in `..`, nor in a folder passed over


def _is_hidden(name: str) -> bool:
    return name.startswith(".")


def _notes(listing: Listing) -> tuple[str, ...]:
    """What was passed over, in one line."""
    others, hidden = len(listing.others), listing.hidden
    parts = []
    if others:
        are = "is not an image" if others == 1 else "are not images"
        parts.append(f"{count_noun(others, 'file')} that {are}")
    if hidden:
        parts.append(count_noun(hidden, "hidden one" if others else "hidden file"))
    if listing.closed:
        parts.append(f"{count_noun(listing.closed, 'folder')} that cannot be opened")
    return (f"passed over {' and '.join(parts)}",) if parts else ()
