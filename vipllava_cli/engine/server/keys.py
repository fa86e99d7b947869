"""The key of a server: from an environment variable or the system's keyring, and from nowhere else."""

import os
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec

from vipllava_cli.engine.server.config import OPENAI, ServerModel
from vipllava_cli.errors import ModelError

KEYRING_SERVICE = "vipllava"
_HIDDEN = "…"
_MIN_SECRET = 8  # characters; a shorter one is a placeholder for a server that wants no key: `none`


@dataclass(frozen=True)
class Key:
    """A key, which no text of this class shows. `origin` says where it comes from."""

    value: str = field(repr=False)
    origin: str

    def __str__(self) -> str:
        return _HIDDEN if self.value else ""

    @property
    def is_secret(self) -> bool:
        return len(self.value) >= _MIN_SECRET

    def hide_in(self, text: str) -> str:
        """Remove the key from a text, unless it is a placeholder, which may be any word of an answer."""
        return text.replace(self.value, _HIDDEN) if self.is_secret else text

    def start_in(self, text: str) -> int:
        """Return the length of the longest end of a text that the key begins with."""
        lengths = range(min(len(self.value) - 1, len(text)) if self.is_secret else 0, 0, -1)
        return next((n for n in lengths if text.endswith(self.value[:n])), 0)

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.value}"} if self.value else {}


NO_KEY = Key("", "")


class HiddenPieces:
    """Removes a key from a text that comes in pieces. Holds what may be the start of the key back."""

    def __init__(self, key: Key) -> None:
        self._key = key
        self._held = ""

    def add(self, piece: str) -> str:
        """Return the text to show now."""
        text = self._key.hide_in(self._held + piece)
        shown = len(text) - self._key.start_in(text)
        self._held = text[shown:]
        return text[:shown]


def find_key(server: ServerModel) -> Key:
    """Return the key of a server model; an empty one if there is none. Raises ModelError."""
    value = os.environ.get(server.key_variable, "").strip()
    origin = server.key_variable
    if not value and not server.name.startswith(OPENAI):
        value, origin = _from_keyring(server.name), "the keyring"
    if not (value.isascii() and value.isprintable()):
        raise ModelError(f"{origin} holds characters that no key has: set it again")
    return Key(value, origin if value else "")


def key_advice(server: ServerModel) -> str:
    """Return the advice to check the places that may hold the key of a server."""
    if find_spec("keyring") is None or server.name.startswith(OPENAI):
        return f"check the key in {server.key_variable}"
    return (
        f"check the key in {server.key_variable}, or in the keyring"
        f" (`keyring set {KEYRING_SERVICE} {server.name}`)"
    )


def _from_keyring(name: str) -> str:
    """Return the key of a name in the system's keyring; empty without a keyring."""
    if find_spec("keyring") is None:
        return ""
    with suppress(Exception):  # a keyring that is locked, or that no desktop serves
        import keyring  # type: ignore[import-not-found, unused-ignore]

        return (keyring.get_password(KEYRING_SERVICE, name) or "").strip()
    return ""
