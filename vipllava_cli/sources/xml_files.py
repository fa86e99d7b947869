"""Parse XML files of annotations."""

import codecs
import re
from typing import TYPE_CHECKING

from vipllava_cli.errors import InputError
from vipllava_cli.sources.files import decode_text, read_data
from vipllava_cli.sources.text_limits import check_xml_structure

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_DECLARATION = re.compile(r"<\?xml[^>]{0,200}\?>")
# Python's codecs of text that no file is written in. Decoding takes time by the square in some.
_NO_CHARSETS = ("idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape")
_DECLARED = re.compile(rb"""<\?xml[^>]{0,100}encoding=["']([-\w.:]{1,40})["']""")


def parse_xml(file: str, encoding: str | None = None) -> "Element":
    """Parse an XML file. Refuses entities, which could expand to fill the memory. Raises InputError.

    `encoding` overrides the encoding that the file declares.
    """
    from defusedxml.ElementTree import ParseError, fromstring

    data = read_data(file).lstrip()
    check_xml_structure(data, file)
    encoding = encoding or _declared_encoding(data)
    text: str | bytes = data
    if encoding:
        text = _DECLARATION.sub("", decode_text(data, file, encoding), count=1)
    try:
        root: Element = fromstring(text)
    except (ParseError, ValueError, LookupError) as error:  # also an entity, an unknown encoding
        advice = "" if encoding or _is_utf8(data) else " name its encoding with --encoding, or"
        raise InputError(f"{file} is not valid XML ({error}):{advice} correct it") from None
    return root


def _declared_encoding(data: bytes) -> str | None:
    """Return the encoding that XML declares, or None if the parser finds it itself.

    UTF-8 counts as such, whatever the file declares: other programs write wrong declarations.
    """
    declared = _DECLARED.match(data)
    if declared is None:
        return None
    name = declared[1].decode("ascii", "replace")
    try:
        b"x-\xff.".decode(name, "replace")  # fails for codecs that are no text
        codec = codecs.lookup(name).name
    except (LookupError, UnicodeError):  # codecs such as idna decode host names only
        return None
    if codec in _NO_CHARSETS:
        return "utf-8"
    if codec.startswith("utf"):
        return None
    return "utf-8" if _is_utf8(data) else name


def child_text(element: "Element", name: str) -> str | None:
    """Return the text of a child element, or None if it is missing or empty."""
    return (element.findtext(name) or "").strip() or None


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
