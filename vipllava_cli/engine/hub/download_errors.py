"""Refusals of a hub, errors of libraries and of the disk -> one-line errors of this program."""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import httpx2
from filelock import Timeout
from huggingface_hub import constants

from vipllava_cli.engine.hub.cache import cache_folder
from vipllava_cli.engine.hub.checkpoints import HubName
from vipllava_cli.engine.hub.endpoint import VARIABLE, hub_address, the_hub
from vipllava_cli.errors import InputError, ModelError, VipllavaError
from vipllava_cli.storage.web import explain, hide_password

CONTINUE = "run the same command to continue; the downloaded bytes are kept"

_FOREIGN_REMEDY = (
    f"open the address in a browser, as the network may want a login, and check {VARIABLE} and the"
    " proxy"
)
_FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class TransferError(Exception):
    """A request failed in a way that the next try may not. The text is a reason in a few words."""


@contextmanager
def library_calls(name: str) -> Iterator[None]:
    """Turn every exception of a library's call into ModelError, or TransferError.

    Only calls of libraries belong into the block, so that errors of this program stay visible.
    """
    try:
        yield
    except (VipllavaError, TransferError, MemoryError):
        raise
    except Exception as error:
        special = explain(error, constants.ENDPOINT)
        if special:
            raise ModelError(
                f"{name} cannot be downloaded from {hub_address()}: {special}"
            ) from error
        if isinstance(error, httpx2.TransportError) and not isinstance(
            error, httpx2.UnsupportedProtocol
        ):
            raise TransferError(_reason(error)) from error
        if isinstance(error, httpx2.HTTPError | OSError):
            raise unreachable(name, _reason(error)) from error
        raise foreign_answer(name, _reason(error)) from error


@contextmanager
def disk_errors(name: str) -> Iterator[None]:
    """Turn errors of the cache folder into ModelError, or InputError for its disk."""
    folder = cache_folder()
    try:
        yield
    except Timeout:
        raise ModelError(f"another process is downloading {name}: wait until it finishes") from None
    except OSError as error:
        if error.errno in _FULL_DISK:
            raise InputError(
                f"the disk of {folder} is full: free some space, then run the same command to"
                " continue"
            ) from error
        raise InputError(
            f"the cache {folder} cannot be used ({error.strerror or _reason(error)}): make it"
            " writable, or set HF_HOME to another folder"
        ) from error


def foreign_answer(name: str, what: str = "") -> ModelError:
    """Make the error for a reply that is not the hub's, like the login page of a network."""
    found = f" ({hide_password(what)})" if what else ""
    return ModelError(
        f"{name} cannot be looked up: {hub_address()} answered with a web page or other data that is"
        f" not the hub's{found}; {_FOREIGN_REMEDY}"
    )


def unreachable(name: str, reason: str, advice: str = "") -> ModelError:
    """Make the error for a hub that does not answer as it should."""
    check = f"check {VARIABLE}, and " if the_hub() != "the hub" else ""
    return ModelError(
        f"{name} cannot be downloaded from {hub_address()} ({hide_password(reason)}):"
        f" {advice or check + CONTINUE}"
    )


def offline(name: str) -> ModelError:
    """Make the error for the setting that forbids requests."""
    return ModelError(f"{name} cannot be downloaded because HF_HUB_OFFLINE is set: unset it first")


def unusable_token(name: str, reason: str) -> ModelError:
    """Make the error for a token that cannot be sent."""
    return ModelError(
        f"{name} cannot be downloaded because the token of HF_TOKEN or `hf auth login` cannot be"
        f" used ({reason}): copy it again from {hide_password(constants.ENDPOINT)}/settings/tokens"
    )


def unreadable_token(error: OSError) -> InputError:
    """Make the error for a token file that cannot be read."""
    return InputError(
        f"{constants.HF_TOKEN_PATH} cannot be read ({error.strerror or _reason(error)}): make it"
        " readable, or set HF_HOME to another folder"
    )


def refusal(name: str, hub: HubName, status: int, headers: httpx2.Headers) -> ModelError:
    """Make the error for a status that is no success, by the code that the hub adds to it."""
    code = headers.get("X-Error-Code", "")
    if status == 401 and headers.get("X-Error-Message", "").startswith("Invalid credentials"):
        code = "InvalidToken"
    elif status == 401 and not code:  # the hub hides that a private model exists
        code = "RepoNotFound"
    make = _REFUSALS.get(code)
    if "X-Error-Code" not in headers and _is_page(status, headers):
        return unreachable(name, f"it answered {status}", _FOREIGN_REMEDY)
    return ModelError(make(hub)) if make else unreachable(name, f"it answered {status}")


def _is_page(status: int, headers: httpx2.Headers) -> bool:
    """Return whether a refusal is a web page, as a network or a server that is no hub sends it."""
    is_refusal = status < 500 or status == HTTPStatus.NETWORK_AUTHENTICATION_REQUIRED
    return is_refusal and "html" in headers.get("content-type", "")


def _gated(hub: HubName) -> str:
    return (
        f"{hub.repository} is gated{_where()}: accept its terms at {_page(hub)}, then log in with"
        " `hf auth login` or set HF_TOKEN"
    )


def _no_revision(hub: HubName) -> str:
    return (
        f"{hub.repository} has no revision {hub.revision}{_where()}: see {_page(hub)}/commits/main"
    )


def _no_repository(hub: HubName) -> str:
    return (
        f"there is no model {hub.repository} on {the_hub()}, or it is private: check the name, or log"
        " in with `hf auth login`"
    )


def _invalid_token(hub: HubName) -> str:
    return (
        f"{the_hub()} refuses the token for {hub.repository}: log in again with `hf auth login`, or"
        " correct or unset HF_TOKEN"
    )


_REFUSALS: dict[str, Callable[[HubName], str]] = {
    "GatedRepo": _gated,
    "RevisionNotFound": _no_revision,
    "RepoNotFound": _no_repository,
    "InvalidToken": _invalid_token,
}


def _page(hub: HubName) -> str:
    return f"{hide_password(constants.ENDPOINT)}/{hub.repository}"


def _where() -> str:
    return f" at {hub_address()}" if the_hub() != "the hub" else ""


def _reason(error: Any) -> str:
    """Return the text of an exception in one short line, without what only programmers read."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return " ".join(str(error).split())[:120] or type(error).__name__
