"""Errors of the hub's client -> one-line errors of this program."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import httpx2
from filelock import Timeout
from huggingface_hub import constants
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from vipllava_cli.engine.hub.cache import cache_folder
from vipllava_cli.engine.hub.checkpoints import HubName
from vipllava_cli.engine.hub.endpoint import VARIABLE, hub_address, the_hub
from vipllava_cli.errors import InputError, ModelError
from vipllava_cli.storage.web import explain, hide_password


@contextmanager
def translate_errors(name: str, hub: HubName) -> Iterator[None]:
    """Turn what the hub's client raises into ModelError, or InputError for a full disk."""
    try:
        yield
    except Timeout:
        raise ModelError(f"another process is downloading {name}: wait until it finishes") from None
    except Exception as error:
        refusals = _refusals(name, hub)
        message = next((text for kind, text in refusals if isinstance(error, kind)), None)
        if message is not None:
            raise ModelError(message) from error
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise InputError(
                f"the disk of {cache_folder()} is full: free some space, then run the same command"
                " to continue"
            ) from error
        if isinstance(error, OSError | httpx2.HTTPError):
            raise ModelError(_unreachable(name, error)) from error
        raise


@contextmanager
def translate_foreign_answers(name: str) -> Iterator[None]:
    """Turn an answer that is not the hub's, like the login page of a network, into ModelError."""
    try:
        yield
    except (HfHubHTTPError, HFValidationError, httpx2.HTTPError, OSError):
        raise  # for `translate_errors`
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{name} cannot be looked up: {hub_address()} answered with a web page or other data"
            f" that is not the hub's; {_FOREIGN_REMEDY}"
        ) from error


_FOREIGN_REMEDY = (
    f"open the address in a browser, as the network may want a login, and check {VARIABLE} and the"
    " proxy"
)


def _refusals(name: str, hub: HubName) -> tuple[tuple[type[Exception], str], ...]:
    """Return each kind of refusal with its message. Subclasses come before their base class."""
    page = f"{hide_password(constants.ENDPOINT)}/{hub.repository}"
    where = f" at {hub_address()}" if the_hub() != "the hub" else ""
    return (
        (
            GatedRepoError,
            f"{hub.repository} is gated{where}: accept its terms at {page}, then log in with"
            " `hf auth login` or set HF_TOKEN",
        ),
        (
            RevisionNotFoundError,
            f"{hub.repository} has no revision {hub.revision}{where}: see {page}/commits/main",
        ),
        (
            RepositoryNotFoundError,
            f"there is no model {hub.repository} on {the_hub()}, or it is private: check the name, or"
            " log in with `hf auth login`",
        ),
        (HFValidationError, f"{name!r} is not a hub name: expected owner/name"),
        (
            OfflineModeIsEnabled,
            f"{name} cannot be downloaded because HF_HUB_OFFLINE is set: unset it first",
        ),
        (
            LocalEntryNotFoundError,
            f"the answer of {hub_address()} about {name} was incomplete: run the same command to"
            " continue",
        ),
    )


def _unreachable(name: str, error: Exception) -> str:
    response: Any = getattr(error, "response", None)
    reason = (
        f"it answered {response.status_code}"
        if isinstance(error, HfHubHTTPError) and response is not None
        else " ".join(str(error).split())[:120] or type(error).__name__
    )
    special = explain(error, constants.ENDPOINT)
    if special:
        return f"{name} cannot be downloaded from {hub_address()}: {special}"
    if _is_page(response):
        remedy = _FOREIGN_REMEDY
    else:
        check = f"check {VARIABLE}, and " if the_hub() != "the hub" else ""
        remedy = f"{check}run the same command to continue; the downloaded bytes are kept"
    return f"{name} cannot be downloaded from {hub_address()} ({hide_password(reason)}): {remedy}"


def _is_page(response: Any) -> bool:
    """Return whether a refusal is a web page, as a network or a server that is no hub sends it."""
    return (
        isinstance(response, httpx2.Response)
        and (
            response.status_code < 500
            or response.status_code == HTTPStatus.NETWORK_AUTHENTICATION_REQUIRED
        )
        and "html" in response.headers.get("content-type", "")
    )
