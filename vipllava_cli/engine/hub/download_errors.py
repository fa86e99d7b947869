"""Errors of the hub's client -> one-line errors of this program."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
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
from vipllava_cli.errors import InputError, ModelError


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


def _refusals(name: str, hub: HubName) -> tuple[tuple[type[Exception], str], ...]:
    """Return each kind of refusal with its message. Subclasses come before their base class."""
    page = f"{constants.ENDPOINT}/{hub.repository}"
    return (
        (
            GatedRepoError,
            f"{hub.repository} is gated: accept its terms at {page}, then log in with"
            " `hf auth login` or set HF_TOKEN",
        ),
        (
            RevisionNotFoundError,
            f"{hub.repository} has no revision {hub.revision}: see {page}/commits/main",
        ),
        (
            RepositoryNotFoundError,
            f"there is no model {hub.repository} on the hub, or it is private: check the name, or"
            " log in with `hf auth login`",
        ),
        (HFValidationError, f"{name!r} is not a hub name: expected owner/name"),
        (
            OfflineModeIsEnabled,
            f"{name} cannot be downloaded because HF_HUB_OFFLINE is set: unset it first",
        ),
        (
            LocalEntryNotFoundError,
            f"the hub's answer about {name} was incomplete: run the same command to continue",
        ),
    )


def _unreachable(name: str, error: Exception) -> str:
    response: Any = getattr(error, "response", None)
    reason = (
        f"it answered {response.status_code}"
        if isinstance(error, HfHubHTTPError) and response is not None
        else " ".join(str(error).split())[:120] or type(error).__name__
    )
    return (
        f"{name} cannot be downloaded from {constants.ENDPOINT} ({reason}): run the same command to"
        " continue; the downloaded bytes are kept"
    )
