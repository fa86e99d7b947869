"""The name of an image: a path, an address, `-` or `clipboard:`, with a frame after `#frame=`."""

import os
import re
import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from urllib.parse import unquote
from urllib.request import url2pathname

from vipllava_cli.errors import InputError, short_name
from vipllava_cli.images.data_address import is_data_address, shorten_data_address
from vipllava_cli.storage.files import STANDARD_INPUT

CLIPBOARD = "clipboard:"
FIRST_FRAME = 1

_FRAME = re.compile(r"#frame=([0-9]{1,9})\Z")
_FILE_URL = re.compile(r"file:(?://(?P<host>[^/]*))?(?P<path>/.*)", re.IGNORECASE | re.DOTALL)
_LOCAL_HOSTS = ("", "localhost")

# The user name and password of an address, before its @.
_CREDENTIALS = re.compile(r"(?<=://)[^/?#]*@")
# Parameters of a query that give access: those of presigned addresses, tokens and keys.
_SECRETS = re.compile(
    r"((?:^|[&;])[^=&;#]*(?:signature|credential|token|secret|password|passwd|api-?_?key|accesskeyid"
    r"|policy|(?<![a-z])(?:sig|sign|key|auth|pwd))=)[^&;#]+",
    re.IGNORECASE,
)
_MAX_QUERY = 60  # characters of a query in a message


@dataclass(frozen=True)
class Source:
    """Where an image is, and which of its frames is meant.

    `location` is a local path, an http(s) address, STANDARD_INPUT or CLIPBOARD. `frame` counts from
    FIRST_FRAME, and is None if the name chooses none.
    """

    location: str
    frame: int | None = None

    @property
    def is_address(self) -> bool:
        """Whether the image is on the web."""
        return is_address(self.location)

    @property
    def is_local(self) -> bool:
        """Whether the location is a path."""
        return self.location not in (STANDARD_INPUT, CLIPBOARD) and not is_any_address(
            self.location
        )

    def __str__(self) -> str:
        """Return the name as records hold it. The first frame needs no number."""
        is_first = self.frame in (None, FIRST_FRAME)
        return self.location if is_first else f"{self.location}#frame={self.frame}"


def parse_source(name: str) -> Source:
    """Parse the name of an image. A file whose name ends like a frame is that file.

    `~` and `file://` become local paths. Raises InputError for a frame 0, and for a `file://`
    address of another machine.
    """
    if is_data_address(name):
        return Source(name)
    location, frame = name, None
    match = _FRAME.search(name)
    if match and not os.path.lexists(name):
        location, frame = name[: match.start()], int(match[1])
        if frame < FIRST_FRAME:
            raise InputError(f"{display_name(name)}: frames count from {FIRST_FRAME}")
    return Source(local_path(location), frame)


def absolute_name(name: str) -> str:
    """Make the path in the name of an existing file absolute. Other names stay as they are."""
    source = parse_source(name)
    if not os.path.isfile(source.location):
        return name
    return str(replace(source, location=os.path.abspath(source.location)))


def is_address(name: str) -> bool:
    """Return whether a name is an http(s) address."""
    return name.lower().startswith(("http://", "https://"))


def is_any_address(name: str) -> bool:
    """Return whether a name is an http(s) or a `data:` address."""
    return is_address(name) or is_data_address(name)


def is_file_url(name: str) -> bool:
    """Return whether a name is a `file:` address."""
    return _FILE_URL.match(name) is not None


def record_name(name: str) -> str:
    """Return the name of an image as records hold it: without secrets, and without its content.

    An address loses its user name and password, and the values of signatures and tokens in its query.
    A `data:` address is cut. Other names stay as they are.
    """
    if is_data_address(name):
        return shorten_data_address(name)
    if not is_address(name):
        return name
    start, mark, query = _CREDENTIALS.sub("…@", name, count=1).partition("?")
    return start + mark + _SECRETS.sub(r"\1…", query)


def display_name(name: str) -> str:
    """Return the name of an image for messages: that of records, without a long query."""
    if name in _DISPLAY_NAMES:
        return _DISPLAY_NAMES[name]
    shown = record_name(name)
    if not is_address(shown):
        return short_name(shown)
    start, mark, query = shown.partition("?")
    if len(query) > _MAX_QUERY:
        shown = f"{start}{mark}{query[:_MAX_QUERY]}…"
    return short_name(shown)


_DISPLAY_NAMES = {STANDARD_INPUT: "standard input", CLIPBOARD: "the clipboard"}


def local_path(location: str) -> str:
    """Convert `~` and a `file:` address to a path. Raises InputError for another machine's."""
    url = _FILE_URL.match(location)
    if url:
        if (url["host"] or "").lower() not in _LOCAL_HOSTS:
            raise InputError(
                f"{short_name(location)} is a file of another machine, {short_name(url['host'])}: copy"
                " it to this one, or give its http(s) address"
            )
        if os.name == "nt":
            return url2pathname(url["path"])
        return unquote(url["path"], sys.getfilesystemencoding(), "surrogateescape")
    # The shell expands `~` only at the start of a word that is not quoted.
    if location.startswith("~") and not os.path.lexists(location):
        with suppress(ValueError):  # a user name with a null byte
            return os.path.expanduser(location)
    return location
