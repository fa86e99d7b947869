"""Find the images that annotation files name.

The file was often written on another machine: with backslashes, with absolute paths, with `%20`, in
another folder. An image is then found by the end of its path, if only one image fits.
"""

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import unquote

from vipllava_cli.errors import InputError, short_name
from vipllava_cli.sources.files import relative_path, resolve_path
from vipllava_cli.sources.folder import list_folder
from vipllava_cli.storage.zip_archive import is_member

_MAX_PATH = 4096  # characters; no system has longer paths
_MAX_LEVELS = 40  # folders of a path that are left out to find its end
_MAX_LISTED_FOLDERS, _MAX_LISTED_IMAGES = 8, 3  # in a message

# Folders beside the folder of the annotations, in the order of the search.
_FOLDER_NAMES = (
    "images",
    "JPEGImages",
    "img",
    "imgs",
    "image",
    "pics",
    "pictures",
    "photos",
    "frames",
    "Images",
    "data/imgs",
    "data/images",
)

_ADDRESS = re.compile(r"https?://|data:", re.IGNORECASE)
_FRAME = re.compile(r"#frame=[0-9]{1,9}\Z")
_FOREIGN_ROOT = re.compile(r"\A(?:file:)?/*(?:[A-Za-z]:)?/*", re.IGNORECASE)


@dataclass(frozen=True)
class FoundImage:
    """The path or address of an image. `error` says why it was not found, or not only one.

    `is_missing`: no image fits.
    """

    path: str
    error: InputError | None = None
    is_missing: bool = False


@dataclass
class ImageFinder:
    """Finds images by name. `folders` are those of `--images`.

    `source_folder` is a source whose images below it may be anywhere, else None. `source_images` are
    paths relative to it.
    """

    folders: Sequence[str] = ()
    source_folder: str | None = None
    source_images: Sequence[str] = ()
    # The names that led to each image that was found by the end of a path.
    _names_of: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def find(self, names: Sequence[str], folders: Sequence[str]) -> FoundImage:
        """Find an image by the first of its possible names that exists.

        `folders` are where this file's images may be; they follow the folders of `--images`.
        """
        searched = [*self.folders, *folders]
        if any(len(name) > _MAX_PATH and not _ADDRESS.match(name) for name in names):
            error = _not_found(names[0], searched)
            return FoundImage(_join(searched[0], names[0]), error, is_missing=True)
        for name in names:
            if _ADDRESS.match(name):
                return FoundImage(name)
            found = self._find_in(searched, name)
            if found:
                return found
        for name in names:
            paths = self._indexed(name, folders[0] if folders else os.curdir)
            if paths:
                return self._only(paths, name, by_tail=True)
        everywhere = [*searched, *filter(None, [self.source_folder])]
        return FoundImage(
            _join(everywhere[0], names[0]), _not_found(names[0], everywhere), is_missing=True
        )

    def image_id(self, found: FoundImage, source_folder: str) -> str:
        """Name an image by its path in the source, or in the folder of `--images` that holds it."""
        id = relative_path(found.path, source_folder)
        if not id.startswith("../"):
            return id
        ids = (relative_path(found.path, folder) for folder in self.folders)
        return next((each for each in ids if not each.startswith("../")), id)

    def _find_in(self, folders: Sequence[str], name: str) -> FoundImage | None:
        """Find an image by its name as written, then by the end of its path."""
        spellings = list(dict.fromkeys(_spellings(name)))
        for spelling in spellings:
            for folder in folders:
                path = _join(folder, spelling)
                if _is_file(path) or _is_archived(path):
                    return self._only([path, *self._others(spelling, folder)], name)
        for spelling in spellings:
            for tail in _tails(spelling):
                paths = [path for f in folders if _is_file(path := _join(f, tail))]
                if paths:
                    return self._only(paths, name, by_tail=True)
        return None

    def _others(self, name: str, folder: str) -> Iterator[str]:
        """Iterate over the files with this name in further folders of `--images`."""
        if folder in self.folders:
            return filter(os.path.isfile, (_join(other, name) for other in self.folders))
        return iter(())

    def _only(self, paths: Iterable[str], name: str, *, by_tail: bool = False) -> FoundImage:
        """Return the image at these paths, with an error if they are several images.

        It is an error too if the ends of several names are the same image.
        """
        files = list({os.path.realpath(path): path for path in paths}.values())
        path = files[0]
        if len(files) > 1:
            listed = " or ".join(sorted(files)[:_MAX_LISTED_IMAGES])
            error = (
                f"the image {short_name(name)} may be {listed}: name its folder with --images DIR"
            )
            return FoundImage(path, InputError(error))
        if by_tail:
            names = self._names_of[os.path.realpath(path)]
            names.add(_slashed(name))
            if len(names) > 1:
                listed = " and ".join(map(short_name, sorted(names)[:_MAX_LISTED_IMAGES]))
                error = f"{listed} would be one image, {path}: name their folder with --images DIR"
                return FoundImage(path, InputError(error))
        return FoundImage(path)

    def _indexed(self, name: str, folder: str) -> list[str]:
        """Return the images with the longest common end of their path with the name.

        Among these, the images in folders whose path ends like the folder of the annotations.
        """
        parts = unquote(_slashed(name)).split("/")
        candidates = self._index.get(parts[-1].casefold(), [])
        if len(candidates) < 2:
            return candidates
        longest = _with_longest(candidates, lambda path: _common_end(parts, path.split("/")))
        own = _slashed(os.path.abspath(folder)).split("/")
        return _with_longest(longest, lambda path: _common_end(own, path.split("/")[:-1]))

    @cached_property
    def _index(self) -> dict[str, list[str]]:
        """Map the name of each image below the folders to its paths, with forward slashes."""
        index: dict[str, list[str]] = defaultdict(list)
        listed = [(folder, list_folder(folder).images) for folder in self.folders]
        if self.source_folder is not None:
            listed.append((self.source_folder, tuple(self.source_images)))
        for folder, images in listed:
            for image in images:
                path = _slashed(os.path.normpath(os.path.join(folder, image)))
                index[image.rpartition("/")[2].casefold()].append(path)
        return index


def _with_longest(paths: Sequence[str], length: Callable[[str], int]) -> list[str]:
    lengths = [length(path) for path in paths]
    longest = max(lengths)
    return [path for path, each in zip(paths, lengths, strict=True) if each == longest]


def _is_file(path: str) -> bool:
    """Return whether a path is that of a file, or of a frame of one."""
    return os.path.isfile(path) or os.path.isfile(_FRAME.sub("", path))


def _is_archived(path: str) -> bool:
    """Return whether a path is that of a file in a ZIP archive: `export.zip/images/a.jpg`."""
    return ".zip/" in _slashed(path).lower() and is_member(_FRAME.sub("", path))


def folders_near(folder: str) -> list[str]:
    """Return the folders where tools put the images of the annotation files in `folder`.

    These are the folder itself, `images/` in it, the like beside it, and for `labels/train` also
    `images/train`.
    """
    parent, above = os.path.join(folder, os.pardir), os.path.join(folder, os.pardir, os.pardir)
    own_name = os.path.basename(os.path.abspath(folder))
    candidates = (
        *(os.path.join(folder, name) for name in _FOLDER_NAMES[:1]),
        *(os.path.join(parent, name) for name in _FOLDER_NAMES),
        *(os.path.join(above, name, own_name) for name in _FOLDER_NAMES),
        parent,
    )
    return [folder, *(os.path.normpath(path) for path in candidates if os.path.isdir(path))]


def _spellings(name: str) -> Iterator[str]:
    """Iterate over the forms of a name: as written, then without what other programs changed.

    These are backslashes and blanks around it, percent signs, and accents as characters of their own.
    """
    yield name
    slashed = name.replace("\\", "/").strip()
    yield slashed
    if "%" in slashed:
        yield unquote(slashed)
    for form in ("NFC", "NFD"):  # macOS writes NFD
        yield unicodedata.normalize(form, slashed)


def _tails(name: str) -> Iterator[str]:
    """Iterate over the ends of a path: `C:/x/a.jpg` -> `x/a.jpg`, `a.jpg`."""
    rest = _FOREIGN_ROOT.sub("", _slashed(name))
    parts = [part for part in rest.split("/") if part not in ("", ".", "..")]
    return (
        "/".join(parts[start:]) for start in range(max(len(parts) - _MAX_LEVELS, 0), len(parts))
    )


def _join(folder: str, name: str) -> str:
    path = resolve_path(folder, name)
    return path if _ADDRESS.match(path) else os.path.normpath(path)


def _slashed(path: str) -> str:
    return path.replace("\\", "/")


def _common_end(first: Sequence[str], second: Sequence[str]) -> int:
    """Count the equal elements at the ends of two sequences."""
    pairs = zip(reversed(first), reversed(second), strict=False)
    return next(
        (count for count, (a, b) in enumerate(pairs) if a != b), min(len(first), len(second))
    )


def _not_found(name: str, folders: Sequence[str]) -> InputError:
    listed = list(dict.fromkeys(os.path.normpath(folder) for folder in folders))
    more = (
        f" and {len(listed) - _MAX_LISTED_FOLDERS} more"
        if len(listed) > _MAX_LISTED_FOLDERS
        else ""
    )
    return InputError(
        f"found no image {short_name(name)} in {', '.join(listed[:_MAX_LISTED_FOLDERS])}{more}: name its"
        " folder with --images DIR"
    )
