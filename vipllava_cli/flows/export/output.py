"""What a writer returns, and how it gets onto the disk: completely or not at all."""

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.flows.export.image_names import ImagePaths
from vipllava_cli.flows.export.read_source import SourceFile
from vipllava_cli.storage.ending import remove_path, removed_at_end, temporary_path
from vipllava_cli.storage.files import atomic_file, temporary_name, unwritable

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

Content = bytes | Callable[[], bytes]

# Characters that XML 1.0 cannot hold.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Target:
    """Where an export goes. Names in it are relative to `folder`.

    `source` is the file to add answers to, if it has the format of the export. `suffix` is that of the
    output. `is_folder` tells whether the output is a folder. `csv_safe`: no cell of a CSV file is a
    formula for a spreadsheet.
    """

    folder: Path
    paths: ImagePaths
    source: SourceFile | None = None
    encoding: str | None = None
    suffix: str = ""
    is_folder: bool = False
    csv_safe: bool = False


@dataclass
class Export:
    """The files of an export by their paths in its folder, and notes for the user.

    An export of one file has the path SINGLE.
    """

    files: Mapping[str, Content]
    notes: list[str] = field(default_factory=list)


SINGLE = ""


def json_bytes(value: Any) -> bytes:
    """Return a value as JSON. NaN stays NaN: a source may contain it."""
    text = json.dumps(value, ensure_ascii=False, indent=1)
    try:
        return f"{text}\n".encode()
    except UnicodeEncodeError:  # the bytes of a file name that is not UTF-8
        return f"{json.dumps(value, indent=1)}\n".encode()


def xml_bytes(root: "Element") -> bytes:
    """Return an XML document, indented, without characters that XML cannot hold."""
    from xml.etree import ElementTree

    for element in root.iter():
        if element.text:
            element.text = _NOT_XML.sub("\ufffd", element.text)
        for name, value in element.attrib.items():
            element.set(name, _NOT_XML.sub("\ufffd", value))
    ElementTree.indent(root)
    document: bytes = ElementTree.tostring(root, "utf-8", xml_declaration=True)
    return document + b"\n"


def write_file(export: Export, out: Path) -> None:
    """Write an export of one file. Raises InputError."""
    with atomic_file(str(out)) as file:
        file.write(_bytes(next(iter(export.files.values()))))


def write_folder(export: Export, out: Path) -> None:
    """Write a folder beside its place, and move it there. Raises InputError."""
    out = Path(os.path.realpath(out))
    with temporary_path(temporary_name(out.parent)) as temporary:
        try:
            for name, content in export.files.items():
                _check_inside(name)
                path = temporary / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(_bytes(content))
            _replace(out, temporary)
        except OSError as error:
            raise unwritable(str(out), error) from None


def _check_inside(name: str) -> None:
    """Raise InputError for a path that leads out of the folder: names of images come from records."""
    if os.path.isabs(name) or "\0" in name or ".." in name.replace(os.sep, "/").split("/"):
        raise InputError(
            f"the export would write {short_repr(name)}, which is outside of its folder: correct the"
            " name of the image in the records"
        )


def _replace(out: Path, temporary: Path) -> None:
    """Move a folder to its place, and the folder that was there away."""
    old = temporary.with_name(f"{temporary.name}-old")

    def settle() -> None:
        if os.path.lexists(out):
            remove_path(old)
        elif os.path.lexists(old):
            os.replace(old, out)

    with removed_at_end(settle):
        try:
            if out.exists():
                os.replace(out, old)
            os.replace(temporary, out)
        finally:
            settle()


def _bytes(content: Content) -> bytes:
    return content if isinstance(content, bytes) else content()


def check_folder(out: Path, suffixes: tuple[str, ...], *, force: bool) -> None:
    """Check that a folder can be written, or replaced with `force`. Raises InputError.

    A folder with other files than an export has is never replaced.
    """
    if not os.path.lexists(out):
        if not os.path.isdir(out.parent):
            raise InputError(f"there is no folder {out.parent}: create it first")
        return
    if not out.is_dir():
        raise InputError(f"{out} is a file, and this format is a folder: give a new name")
    files = [path for path in out.rglob("*") if not path.is_dir()]
    if not files:
        return
    if not force:
        raise InputError(f"{out} already exists: --force replaces it")
    other = next((path for path in files if path.suffix.lower() not in suffixes), None)
    if other is not None:
        raise InputError(
            f"{out} contains {other.relative_to(out)}, which is no file of an export: --force replaces"
            " the whole folder, so give a new one"
        )
