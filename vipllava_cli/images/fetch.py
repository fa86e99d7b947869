"""Read bytes from a path, standard input, the clipboard or an http(s) address, within limits."""

import sys
import threading
from collections.abc import Mapping

from vipllava_cli.errors import InputError
from vipllava_cli.images.data_address import is_data_address, read_data_address
from vipllava_cli.images.source import CLIPBOARD, display_name, is_address
from vipllava_cli.storage.files import STANDARD_INPUT
from vipllava_cli.storage.regular_files import open_regular, read_whole
from vipllava_cli.storage.zip_archive import read_member

MAX_BYTES = 256 * 1024 * 1024
MAX_DOWNLOAD_BYTES = 64 * 1024 * 1024
DOWNLOAD_SECONDS = 30.0


def read_bytes(source: str) -> bytes:
    """Read the encoded image at a `Source.location`. Raises InputError, and UsageError for a
    clipboard that needs another program.
    """
    if not source:
        raise InputError("the image has no name: give a file, an http(s) address or -")
    if is_address(source):
        return _download(source)
    if is_data_address(source):
        return read_data_address(source)
    if source == CLIPBOARD:
        from vipllava_cli.images.clipboard import read_clipboard

        return read_clipboard()
    try:
        if source == STANDARD_INPUT:
            return read_whole(sys.stdin.buffer, MAX_BYTES, display_name(source))
        with open_regular(source, streams=True) as file:
            return read_whole(file, MAX_BYTES, display_name(source))
    except NotADirectoryError:  # a part of the path is a file, perhaps an archive
        data = read_member(source, MAX_BYTES)
        if data is not None:
            return data
        raise InputError(
            f"there is no file {display_name(source)}: check the name of the image"
        ) from None
    except FileNotFoundError:
        raise InputError(
            f"there is no file {display_name(source)}: check the name of the image"
        ) from None
    except IsADirectoryError:
        raise InputError(
            f"{display_name(source)} is a folder: expected one image, name a file in it"
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(f"{display_name(source)} cannot be read: {_reason(error)}") from None


# --- the web ---------------------------------------------------------------------------------


def _download(address: str) -> bytes:
    """Download the body at an address, within limits of time and size. Raises InputError.

    DOWNLOAD_SECONDS limits the whole download. The timeouts of an HTTP library limit the time between
    two bytes, so that a slow name server or slow headers can exceed them.
    """
    download = _Download(address)
    download.start()
    download.join(DOWNLOAD_SECONDS)
    if download.is_alive():
        download.cancelled.set()
        raise InputError(
            f"{display_name(address)} took longer than {DOWNLOAD_SECONDS:g} s: download it with"
            " another program and give the file"
        )
    if download.error:
        raise download.error
    return bytes(download.data)


class _Download(threading.Thread):
    """A thread that downloads a body. When it ends, it has `error` or all of `data`."""

    def __init__(self, address: str) -> None:
        super().__init__(daemon=True)  # a hanging download does not delay the exit of the program
        self.address, self.display_name = address, display_name(address)
        self.data = bytearray()
        self.error: Exception | None = None
        self.cancelled = threading.Event()

    def run(self) -> None:
        try:
            self._fetch()
        except Exception as error:  # the waiting thread raises it
            self.error = error

    def _fetch(self) -> None:
        import httpx2  # takes 0.1 s, and few commands need it

        from vipllava_cli.storage.web import explain, make_client, user_agent
        from vipllava_cli.storage.web_guard import body_chunks

        headers = {
            "Accept": "image/*,*/*;q=0.5",
            "Accept-Encoding": "identity",  # images are already compressed
            "User-Agent": user_agent(),
        }
        try:
            with (
                make_client(guarded=True, timeout=DOWNLOAD_SECONDS, headers=headers) as client,
                client.stream("GET", self.address) as response,
            ):
                if response.status_code != httpx2.codes.OK:
                    raise InputError(self._refusal(response.status_code, response.reason_phrase))
                for chunk in body_chunks(response, MAX_DOWNLOAD_BYTES + 1):
                    self.data += chunk
                    if len(self.data) > MAX_DOWNLOAD_BYTES:
                        raise InputError(
                            f"{self.display_name} is larger than {MAX_DOWNLOAD_BYTES >> 20} MiB:"
                            " download it with another program and give the file"
                        )
                    if self.cancelled.is_set():
                        return
        except httpx2.InvalidURL as error:
            raise InputError(f"{self.display_name} is not a valid address: {error}") from None
        except httpx2.TooManyRedirects:
            raise InputError(
                f"{self.display_name} redirects too often: check the address in a browser"
            ) from None
        # A wrong proxy setting can raise any of these.
        except (httpx2.HTTPError, OSError, ImportError, ValueError) as error:
            special = explain(error, self.address)
            reason = f": {special}" if special else f" ({_reason(error)}){_REMEDY}"
            raise InputError(f"{self.display_name} cannot be reached{reason}") from None

    def _refusal(self, status: int, phrase: str) -> str:
        """Return the message for a status that is not that of an image."""
        advice = _STATUS_ADVICE.get(status) or (
            "the server has a problem, try again later" if status >= 500 else "check the address"
        )
        shown = "".join(filter(str.isprintable, phrase))[:_MAX_PHRASE]
        return f"{self.display_name} answered {status} {shown}: expected an image; {advice}"


_MAX_PHRASE = 60  # characters
_REMEDY = ": check the address and the network, or give a file"
_IN_BROWSER = "open it in a browser, save the image and give the file"
_STATUS_ADVICE: Mapping[int, str] = {
    401: f"it needs a login, {_IN_BROWSER}",
    403: f"the server refuses programs, or the address has expired: {_IN_BROWSER}",
    404: "there is nothing at the address, check it",
    407: "the proxy needs a user name and password, check HTTPS_PROXY",
    410: "the image was removed, find another copy",
    429: "the server gets too many requests, try again later",
}


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).partition("\n")[0]
