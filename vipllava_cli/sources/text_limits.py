"""Limits of annotation files and manifests, checked before their content takes memory."""

from vipllava_cli.errors import InputError
from vipllava_cli.images.memory import free_memory
from vipllava_cli.storage.json_files import has_zeros
from vipllava_cli.storage.sizes import binary_size

MAX_TEXT_BYTES = 2 << 30  # the annotations of the largest public sets have 1.1 GiB
MAX_LINE_BYTES = 128 << 20  # a manifest may hold a whole image in a line
MAX_XML_ELEMENTS = 4_000_000  # each takes 300 bytes or more

_UNCHECKED_BYTES = 64 << 20
_MEMORY_RATIO = 6  # bytes of parsed JSON for each byte of its text


def check_no_zeros(data: bytes, name: str) -> None:
    """Raise InputError for a run of NUL bytes, as in a file with holes: it is no text."""
    if has_zeros(data):
        raise InputError(f"{name} contains NUL bytes: expected text, get a complete copy")


def check_memory(size: int, name: str) -> None:
    """Raise InputError if a large text would not fit into memory when it is parsed."""
    if size > _UNCHECKED_BYTES and size * _MEMORY_RATIO > (free := free_memory()):
        raise InputError(
            f"{name} has {binary_size(size)}, which takes about {binary_size(size * _MEMORY_RATIO)} of"
            f" memory, and {binary_size(free)} are free: divide it into several files"
        )


def check_xml_structure(data: bytes, name: str) -> None:
    """Raise InputError for more elements than an annotation file has."""
    if len(data) > MAX_XML_ELEMENTS:
        count = data.count(b"<") - data.count(b"</")
        if count > MAX_XML_ELEMENTS:
            raise InputError(
                f"{name} has {count:,} elements, above the limit of {MAX_XML_ELEMENTS:,}: divide it"
                " into several files"
            )
