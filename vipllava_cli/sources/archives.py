"""Read sources in ZIP archives: `export.zip`, or a file or folder in it, `export.zip/train`.

The readers see a temporary folder with the annotation files of the archive, and an empty file in the
place of each image. It exists only while they read. Images are read from the archive later, by names
like `export.zip/images/a.jpg`.
"""

import os
import pickle
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import NamedTuple

from vipllava_cli.errors import InputError, UsageError
from vipllava_cli.images.data_address import is_data_address
from vipllava_cli.images.source import is_address
from vipllava_cli.sources.archive_encoding import find_name_encoding
from vipllava_cli.sources.archive_kinds import check_content, is_archive_name
from vipllava_cli.sources.folder import ANNOTATION_SUFFIXES, image_suffixes
from vipllava_cli.sources.read_options import ReadOptions
from vipllava_cli.sources.rows import BadRow, Row, Source, StoredRows
from vipllava_cli.storage.counts import count_noun, list_some
from vipllava_cli.storage.files import STANDARD_INPUT
from vipllava_cli.storage.temporary_folder import temporary_folder
from vipllava_cli.storage.zip_archive import Member, ZipArchive, find_member, open_zip

MAX_FILE_BYTES = 2 * 1024**3  # an annotation file
MAX_TOTAL_BYTES = 4 * 1024**3  # all annotation files of an archive

_DATASET_PART = re.compile(
    r"(?:train|val|valid|validation|test|default)\d*|images?|imgs?|labels?|annotations?|ann|data"
    r"|jpegimages|imagesets|obj_.*|bbox|human",
    re.IGNORECASE,
)
_NAMING_OTHER_FILES = (".data", ".yaml", ".yml")
_ROWS_PER_CHUNK = 256


def find_archive(name: str) -> Member | None:
    """Return the archive of a source, and the path in it; None for other sources."""
    is_path = name and name != STANDARD_INPUT and not is_address(name) and not is_data_address(name)
    return find_member(name) if is_path else None


def read_unpacked(
    name: str, options: ReadOptions, read: Callable[[str, ReadOptions], Source]
) -> Source:
    """Read a source that is in an archive, or whose images or `options.coco` are.

    `read` gets the path and the options of what is unpacked. The rows of the result are stored, and
    name the images in the archive. Raises the errors of `read`, and InputError for the archive.
    """
    with unpack_source(name, options) as unpacked:
        source = read(unpacked.name, unpacked.options)
        chunks = _compress(map(unpacked.restore_row, source.rows))
        notes = (*unpacked.notes, *map(unpacked.restore_text, source.notes))
    rows = StoredRows(lambda: chain.from_iterable(map(_decompress, chunks)))
    return replace(source, rows=rows, total=sum(chunk.rows for chunk in chunks), notes=notes)


@contextmanager
def unpack_source(name: str, options: ReadOptions) -> Iterator["UnpackedSource"]:
    """Unpack a source, its images' folders and `options.coco` while they are read.

    Names that are in no archive stay as they are. Errors of the reader name the archives.
    """
    with temporary_folder() as folder:
        unpacking = _Unpacking(folder, options.encoding)
        local = unpacking.unpack(name)
        image_folders = tuple(map(unpacking.unpack_images, options.image_folders))
        coco = unpacking.unpack(options.coco) if options.coco else None
        local_options = replace(options, image_folders=image_folders, coco=coco)
        try:
            yield UnpackedSource(local, local_options, unpacking)
        except (InputError, UsageError) as error:
            raise type(error)(unpacking.restore_text(str(error))) from None


def is_in_archive(name: str, options: ReadOptions) -> bool:
    """Return whether a source, its images or its COCO file are in an archive."""
    names = (name, *options.image_folders, options.coco or "")
    return any(find_archive(each) for each in names)


@dataclass(frozen=True)
class UnpackedSource:
    """What a reader reads in place of an archive, and the way back to the names of the user."""

    name: str
    options: ReadOptions
    _unpacking: "_Unpacking"

    @property
    def notes(self) -> Sequence[str]:
        """Notes about entries of the archives that are not read."""
        return self._unpacking.notes

    @property
    def _allowed(self) -> Sequence[str] | None:
        """The folders that may contain the images; None if the source is in no archive."""
        folder = self._unpacking.folder_of(self.name)
        return None if folder is None else (folder, *self.options.image_folders)

    def restore_row(self, row: Row | BadRow) -> Row | BadRow:
        """Name the archives in a row."""
        return self._unpacking.restore_row(row, self._allowed)

    def restore_image(self, path: str) -> str:
        """Name the archive in the path of an image. Raises InputError for one outside of it."""
        image = self._unpacking.restore_path(path)
        if self._allowed is not None and not _is_allowed(path, self._allowed):
            raise InputError(
                f"the image {image} is outside the archive: name its folder with --images DIR"
            )
        return image

    def restore_text(self, text: str) -> str:
        """Name the archives in a message in place of their folders."""
        return self._unpacking.restore_text(text)


class _Chunk(NamedTuple):
    """Some rows, in a tenth of their memory."""

    rows: int
    data: bytes


def _compress(rows: Iterable[Row | BadRow]) -> list[_Chunk]:
    iterator = iter(rows)
    chunks = []
    while part := list(islice(iterator, _ROWS_PER_CHUNK)):
        chunks.append(_Chunk(len(part), zlib.compress(pickle.dumps(part), 1)))
    return chunks


def _decompress(chunk: _Chunk) -> list[Row | BadRow]:
    rows: list[Row | BadRow] = pickle.loads(zlib.decompress(chunk.data))  # noqa: S301 - rows that this process packed, see `_compress`
    return rows


# --- unpacking -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Folder:
    """The temporary folder with the content of an archive."""

    archive: str
    path: str


class _Unpacking:
    """Unpacks archives into a folder, and translates paths back."""

    def __init__(self, folder: str, encoding: str | None) -> None:
        self.notes: list[str] = []
        self._folder = folder
        self._encoding = encoding
        self._folders: list[_Folder] = []

    def unpack(self, name: str) -> str:
        """Unpack the annotation files of an archive. Other names stay as they are.

        Raises InputError.
        """
        return self._unpack(name, _is_annotation_file)

    def unpack_images(self, name: str) -> str:
        """Make the tree of an archive with images. Other names stay as they are."""
        return self._unpack(name, lambda _: False)

    def folder_of(self, local: str) -> str | None:
        """Return the folder of the archive that a path is in; None for a path in no archive."""
        return next((each.path for each in self._folders if _is_below(local, each.path)), None)

    def _unpack(self, name: str, is_needed: Callable[[str], bool]) -> str:
        member = find_archive(name)
        if member is None:
            return name
        archive = self._open(member.archive)
        check_content(archive)
        self.notes += [note for note in _notes(archive) if note not in self.notes]
        inner = _content_folder(archive.entries) if not member.path else member.path
        if member.path in archive.entries:
            path = member.path
            if is_archive_name(path):
                raise InputError(f"{name} is an archive in an archive: unpack it first")
            if not path.lower().endswith(_NAMING_OTHER_FILES):
                is_needed = path.__eq__
        elif member.path and not any(each.startswith(f"{inner}/") for each in archive.entries):
            raise InputError(
                f"{member.archive} contains no {member.path}: check the name of the source"
            )
        # Several levels: the readers also look beside and above the folder of a file.
        root = os.path.join(self._folder, str(len(self._folders)), "of", "archive")
        self._folders.append(_Folder(member.archive, root))
        _write_files(archive, root, is_needed)
        return os.path.normpath(os.path.join(root, inner))

    def _open(self, path: str) -> ZipArchive:
        """Open an archive with the encoding of its names. Raises InputError."""
        archive = open_zip(path)
        if not archive.undecoded:
            return archive
        encoding = find_name_encoding(archive, _is_annotation_file) or self._encoding
        return open_zip(path, encoding)

    # --- back to the names of the user --------------------------------------------------------

    def restore_text(self, text: str) -> str:
        """Name the archives in a message in place of their folders."""
        for folder in self._folders:
            beside = os.path.dirname(folder.path)
            text = text.replace(folder.path, folder.archive)
            text = text.replace(f", {beside}", "").replace(beside, folder.archive)
        return text

    def restore_row(self, row: Row | BadRow, allowed: Sequence[str] | None) -> Row | BadRow:
        """Name the archives in a row. `allowed` are the folders that may contain its image."""
        image = self.restore_path(row.image)
        if isinstance(row, BadRow):
            return BadRow(self.restore_text(row.id), image, self._restore_error(row.error))
        error = row.image_error and self._restore_error(row.image_error)
        if error is None and allowed is not None and not _is_allowed(row.image, allowed):
            error = InputError(
                f"the image {image} is outside the archive: name its folder with --images DIR"
            )
        marks = tuple(
            mark if mark.file is None else replace(mark, file=self.restore_path(mark.file))
            for mark in row.marks
        )
        id = self.restore_text(row.id)
        return replace(row, id=id, image=image, marks=marks, image_error=error)

    def _restore_error(self, error: InputError) -> InputError:
        return InputError(self.restore_text(str(error)))

    def restore_path(self, path: str) -> str:
        normal = os.path.normpath(path) if os.path.isabs(path) else path
        for folder in self._folders:
            if _is_below(normal, folder.path):
                return folder.archive + normal[len(folder.path) :].replace(os.sep, "/")
        return path


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + os.sep)


def _is_allowed(image: str, folders: Sequence[str]) -> bool:
    if is_address(image) or is_data_address(image):
        return True
    path = os.path.abspath(image)
    return any(_is_below(path, os.path.abspath(folder)) for folder in folders)


def _is_annotation_file(path: str) -> bool:
    return path.lower().endswith(ANNOTATION_SUFFIXES)


def _content_folder(paths: Iterable[str]) -> str:
    """Return the folder that holds everything visible: many archives have one folder at the top.

    A folder with the name of a part of a dataset stays a part of the ids, as in a folder.
    """
    visible = [path.split("/") for path in paths if not path.startswith(".")]
    if not visible:
        return ""
    first, last = min(visible), max(visible)
    common = []
    for one, other in zip(first[:-1], last[:-1], strict=False):
        if one != other or _DATASET_PART.fullmatch(one):
            break
        common.append(one)
    return "/".join(common)


def _notes(archive: ZipArchive) -> Iterator[str]:
    """Yield notes about the entries that are not read."""
    nested = [path for path in archive.entries if is_archive_name(path)]
    if nested:
        yield f"{archive.path}: archives in it are not opened: {list_some(nested)}"
    if archive.links:
        yield f"{archive.path}: links in it are not followed: {list_some(archive.links)}"
    if archive.repeated:
        yield (
            f"{archive.path} has several different files of one name, and the last one counts:"
            f" {list_some(archive.repeated)}"
        )
    if archive.undecoded:
        yield (
            f"{archive.path}: {count_noun(len(archive.undecoded), 'name')} in an unknown encoding"
            f" ({list_some(archive.undecoded)}): name it with --encoding, like --encoding gbk"
        )


def _write_files(archive: ZipArchive, root: str, is_needed: Callable[[str], bool]) -> None:
    """Write the needed files, and an empty file for each of the others. Raises InputError."""
    total = 0
    made = set()
    for path, info in archive.entries.items():
        if is_archive_name(path):
            continue
        target = os.path.join(root, *path.split("/"))
        folder = os.path.dirname(target)
        try:
            if folder not in made:
                os.makedirs(folder, exist_ok=True)
                made.add(folder)
            with open(target, "xb") as file:
                if is_needed(path) and not path.lower().endswith(image_suffixes()):
                    for chunk in archive.iter_chunks(path, info, MAX_FILE_BYTES):
                        total += file.write(chunk)
                        _check_total(archive, total)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise InputError(
                f"{archive.path}/{path} cannot be unpacked ({reason}): unpack the archive and give"
                " the folder"
            ) from None


def _check_total(archive: ZipArchive, total: int) -> None:
    if total > MAX_TOTAL_BYTES:
        raise InputError(
            f"{archive.path} has more than {MAX_TOTAL_BYTES >> 20} MiB of annotation files: unpack the"
            " archive and give the folder"
        )
