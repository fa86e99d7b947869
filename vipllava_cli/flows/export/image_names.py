"""The names of images in an export: paths that its readers find from the place of the file."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from vipllava_cli.errors import InputError
from vipllava_cli.images.data_address import is_shortened
from vipllava_cli.images.source import CLIPBOARD, FIRST_FRAME, parse_source, record_name
from vipllava_cli.sources.image_finder import ImageFinder, folders_near
from vipllava_cli.storage.counts import count_noun
from vipllava_cli.storage.files import STANDARD_INPUT
from vipllava_cli.storage.zip_archive import find_member, is_member

MAX_STEM_BYTES = 240  # of the 255 that file systems allow a name


class ImagePaths:
    """Finds the images that records name: from the working directory, then beside the records."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def absolute(self, name: str) -> str | None:
        """Return the absolute path of an image, with the frame in its name. None for an address."""
        if not _is_local(name):
            return None
        source = parse_source(name)
        beside = os.path.join(self._folder, source.location)
        exists = os.path.exists(source.location) or not os.path.exists(beside)
        path = os.path.abspath(source.location if exists else beside)
        return path + str(source)[len(source.location) :]

    def openable(self, name: str) -> str:
        """Return the name with which the image can be opened."""
        return self.absolute(name) or name

    def exists(self, name: str) -> bool:
        """Return whether an image is a file, or in an archive."""
        path = self.absolute(name)
        return path is not None and (os.path.exists(path) or is_member(path))

    def key(self, name: str) -> str:
        """Return what is equal for names of one image."""
        path = self.absolute(name)
        return record_name(name) if path is None else os.path.realpath(path)


def _is_local(name: str) -> bool:
    try:
        return parse_source(name).is_local and not name.startswith("data:")
    except InputError:
        return False


def image_notes(names: Iterable[str], paths: ImagePaths) -> Iterator[str]:
    """Yield notes about images that other programs, or `batch`, do not find by their names."""
    counts: Counter[str] = Counter()
    for name in dict.fromkeys(names):
        counts.update(_peculiarities(name, paths))
    for what, count in counts.items():
        yield f"{count_noun(count, 'image')} {what}"


def _peculiarities(name: str, paths: ImagePaths) -> Iterator[str]:
    if name in (STANDARD_INPUT, CLIPBOARD):
        yield "from standard input or the clipboard: no file that the export could name"
        return
    if is_shortened(name):
        yield (
            "in data: addresses, of which records hold only the beginning: --source FILE has them whole"
        )
        return
    path = paths.absolute(name)
    if path is None:
        return
    source = parse_source(path)
    if source.frame not in (None, FIRST_FRAME):
        yield "with #frame=N in the name: other programs show the first frame, or nothing"
    if os.path.isfile(source.location):
        return
    if find_member(source.location) is not None:
        yield "in an archive: batch reads them there, and other programs do not"
    else:
        yield "not found: named as in the records"


def relative_names(names: Iterable[str], folder: Path, paths: ImagePaths) -> dict[str, str]:
    """Map names of images to paths relative to a folder, with slashes. Addresses stay as they are."""
    return {name: _relative(paths.absolute(name), str(folder), name) for name in names}


def readable_names(names: Sequence[str], folder: Path, paths: ImagePaths) -> dict[str, str]:
    """Map names of images to short ones that are found from a folder.

    Annotation tools match images by the end of their path, so that a name with `..` fits none. The
    first of these that the readers find for all images is taken: relative to the folder, to the folder
    of all images, to the folder above; else with `..`.
    """
    relative = relative_names(names, folder, paths)
    if not any(name.startswith("../") for name in relative.values()):
        return relative
    absolute = [path for path in map(paths.absolute, names) if path]
    common = os.path.commonpath([os.path.dirname(path) for path in absolute])
    for base in (common, os.path.dirname(os.path.abspath(folder))):
        named = relative_names(names, Path(base), paths)
        if all(_finds_all(named, folder, paths)):
            return named
    return relative


def _finds_all(named: dict[str, str], folder: Path, paths: ImagePaths) -> Iterator[bool]:
    finder, near = ImageFinder(), folders_near(str(folder))
    for name, short in named.items():
        path = paths.absolute(name)
        if path is None:
            continue
        if short.startswith("../"):
            yield False
            return
        found = finder.find([short], near)
        yield not found.error and os.path.realpath(found.path) == os.path.realpath(path)


def _relative(path: str | None, folder: str, name: str) -> str:
    if path is None:
        return name
    try:
        return os.path.relpath(path, folder or os.curdir).replace(os.sep, "/")
    except ValueError:  # another drive of Windows
        return path.replace(os.sep, "/")


def unique_stems(names: Sequence[str], relative_to: Callable[[str], str]) -> dict[str, str]:
    """Give each image a file name without a suffix: its own, with folders where two are equal.

    `relative_to` returns the path of an image below the folder of all images.
    """
    stems = {name: os.path.splitext(os.path.basename(relative_to(name)))[0] for name in names}
    if len({stem.casefold() for stem in stems.values()}) < len(stems):
        stems = {name: os.path.splitext(relative_to(name))[0] for name in names}
    taken: set[str] = set()
    for name, long_stem in stems.items():
        stem = "/".join(map(_shortened, long_stem.split("/")))
        unique, number = stem, 1
        while unique.casefold() in taken:
            number += 1
            unique = f"{stem}-{number}"
        taken.add(unique.casefold())
        stems[name] = unique
    return stems


def _shortened(part: str) -> str:
    """Cut a part of a path that leaves no room for a suffix and a number, as of a long address."""
    encoded = part.encode("utf-8", "surrogatepass")
    if len(encoded) <= MAX_STEM_BYTES:
        return part
    return encoded[:MAX_STEM_BYTES].decode("utf-8", "ignore")
