"""Bytes in: from a path, standard input or an http(s) address, within limits of size and time."""

import re
import sys
import threading
from pathlib import Path
from typing import BinaryIO

from vipllava_cli.errors import InputError
from vipllava_cli.storage.files import STANDARD_INPUT

MAX_BYTES = 256 * 1024 * 1024
MAX_DOWNLOAD_BYTES = 64 * 1024 * 1024
DOWNLOAD_SECONDS = 30.0


# What stands before the @ of an address: a name and a password.
_SECRET = re.compile(r"(?<=://)[^/?#]*@")


def display_name(source: str) -> str:
    """What messages call a source; a password in it is nobody's else."""
    return "standard input" if source == STANDARD_INPUT else _SECRET.sub("…@", source)


def read_bytes(source: str) -> bytes:
    """The encoded image at a path, an http(s) address or `-`. Raises InputError."""
    if not source:
        raise InputError("the image has no name: give a file, an http(s) address or -")
    if source.lower().startswith(("http://", "https://")):
        return _download(source)
    try:
        if source == STANDARD_INPUT:
            return read_limited(sys.stdin.buffer, MAX_BYTES, display_name(source))
        with Path(source).open("rb") as file:
            return read_limited(file, MAX_BYTES, source)
    except FileNotFoundError:
        raise InputError(f"there is no file {source}: check the name of the image") from None
    except IsADirectoryError:
        raise InputError(f"{source} is a folder, expected one image: name a file in it") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{display_name(source)} cannot be read: {_reason(error)}") from None


def read_limited(file: BinaryIO, most: int, name: str) -> bytes:
    """All that is in a file, which may be a device without an end. Raises InputError."""
    data = file.read(most + 1)
    if len(data) > most:
        raise InputError(f"{name} is longer than {most >> 20} MiB, the most that is read")
    return data


# --- the web ---------------------------------------------------------------------------------


def _download(address: str) -> bytes:
    """The body at an address, within a limit of time and of size.

    The limit holds for all of it: a name that is not resolved and headers that come byte by byte
    outlast the limits of an HTTP library, which count from one byte to the next.
    """
    download = _Download(address)
    download.start()
    download.join(DOWNLOAD_SECONDS)
    if download.is_alive():
        download.given_up.set()
        raise InputError(
            f"{display_name(address)} took longer than {DOWNLOAD_SECONDS:g} s: fetch it yourself and give the file"
        )
    if download.error:
        raise download.error
    return bytes(download.data)


class _Download(threading.Thread):
    """A body that is fetched beside the thread that waits for it: `data` or `error`."""

    def __init__(self, address: str) -> None:
        super().__init__(daemon=True)  # one that hangs does not hold up the end of the program
        self.address, self.shown = address, display_name(address)
        self.data = bytearray()
        self.error: Exception | None = None
        self.given_up = threading.Event()

    def run(self) -> None:
        try:
            self._fetch()
        except Exception as error:  # raised again where it is waited for
            self.error = error

    def _fetch(self) -> None:
        import httpx2  # costs a tenth of a second that few commands need

        try:
            with httpx2.stream(
                "GET",
                self.address,
                follow_redirects=True,
                timeout=DOWNLOAD_SECONDS,
                headers={"Accept-Encoding": "identity"},  # an image is compressed already
            ) as response:
                if response.status_code != httpx2.codes.OK:
                    raise InputError(
                        f"{self.shown} answered {response.status_code} {response.reason_phrase}:"
                        " expected an image; check the address"
                    )
                for chunk in response.iter_bytes():
                    self.data += chunk
                    if len(self.data) > MAX_DOWNLOAD_BYTES:
                        raise InputError(
                            f"{self.shown} holds more than {MAX_DOWNLOAD_BYTES >> 20} MiB: fetch it"
                            " yourself and give the file"
                        )
                    if self.given_up.is_set():
                        return
        except httpx2.InvalidURL as error:
            raise InputError(
                f"{self.shown} is not an address that can be fetched: {error}"
            ) from None
        except httpx2.TooManyRedirects:
            raise InputError(
                f"{self.shown} leads from address to address without end: check it in a browser"
            ) from None
        except (httpx2.HTTPError, OSError, ImportError, ValueError) as error:  # odd proxies, too
            raise InputError(
                f"{self.shown} cannot be reached ({_reason(error)}): are you online? A file works"
                " too"
            ) from None


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).partition("\n")[0]
