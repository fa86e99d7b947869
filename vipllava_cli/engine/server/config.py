"""A model on a server: its address, its name there, the variable of its key, and its prices."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vipllava_cli.engine.hub.names import SHORT_NAMES
from vipllava_cli.errors import ModelError, UsageError, short_repr
from vipllava_cli.storage.settings import read_settings, settings_file

OPENAI = "openai:"  # the start of a name that the settings do not hold
OPENAI_URL = "https://api.openai.com/v1"
OPENAI_URL_VARIABLE, OPENAI_KEY_VARIABLE = "OPENAI_BASE_URL", "OPENAI_API_KEY"
_KEY_VARIABLE = "VIPLLAVA_KEY_"
_KEY_PLACE = "an environment variable that --key-env names"
_ENDPOINT = "/chat/completions"

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,63}", re.ASCII)
_VARIABLE = re.compile(r"[A-Za-z_]\w{0,127}", re.ASCII)
_SECRET = re.compile(r"key|token|secret|password|signature|sig\b", re.IGNORECASE)


@dataclass(frozen=True)
class Prices:
    """The price of a million tokens, in a currency that the user knows."""

    prompt: float
    answer: float

    def cost(self, prompt_tokens: int, answer_tokens: int) -> float:
        return (prompt_tokens * self.prompt + answer_tokens * self.answer) / 1e6


@dataclass(frozen=True)
class ServerModel:
    """A model on a server.

    `name` is what the user types, `model` the name on the server, `url` the address before
    `/chat/completions`. `key_variable` names the environment variable of the key.
    """

    name: str
    url: str
    model: str
    key_variable: str
    prices: Prices | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the entry of the settings, which holds no key."""
        entry: dict[str, Any] = {"url": self.url, "model": self.model}
        if self.key_variable != default_key_variable(self.name):
            entry["key_env"] = self.key_variable
        if self.prices:
            entry["prices"] = [self.prices.prompt, self.prices.answer]
        return entry

    @property
    def shown_url(self) -> str:
        """The address for messages, without its query."""
        return self.url.partition("?")[0]


def default_key_variable(name: str) -> str:
    """Return the variable that holds the key of a server model: `VIPLLAVA_KEY_NAME`."""
    return _KEY_VARIABLE + re.sub(r"\W", "_", name.upper(), flags=re.ASCII)


def make_server_model(
    name: str,
    url: str,
    model: str,
    key_variable: str | None = None,
    prices: tuple[float, float] | None = None,
) -> ServerModel:
    """Check the parts of a server model. Raises UsageError."""
    if not _NAME.fullmatch(name) or name.lower() in SHORT_NAMES:
        raise UsageError(
            f"{short_repr(name)} cannot name a server: expected letters, digits, -, _ or ., and"
            f" none of {', '.join(SHORT_NAMES)}"
        )
    if not model.strip() or not model.isprintable():
        raise UsageError(f"--model is the model's name on the server, not {short_repr(model)}")
    if key_variable is not None and not _VARIABLE.fullmatch(key_variable):
        raise UsageError(
            "--key-env takes the name of an environment variable, like MY_KEY, and the variable"
            " holds the key: the value given is no such name"
        )
    variable = key_variable or default_key_variable(name)
    given = Prices(*prices) if prices else None
    return ServerModel(name, parse_url(url), model.strip(), variable, given)


def parse_url(text: str, what: str = "--url", key_place: str = _KEY_PLACE) -> str:
    """Return the address before `/chat/completions`.

    `what` holds the address, and `key_place` should hold its key. Raises UsageError, which shows no
    secret.
    """
    import httpx2

    text = text.strip()
    has_password = "@" in text.partition("?")[0]  # a slash in a password begins no path
    shown = re.sub(r"^(\w*:?//)?.*@", r"\1…@", text.partition("?")[0])[:100]
    try:
        url = httpx2.URL(text)
        is_port = url.port is None or 0 < url.port < 1 << 16
        is_address = url.scheme in ("http", "https") and bool(url.host) and is_port
    except (httpx2.InvalidURL, ValueError):
        is_address = False
    if not (is_address or has_password):
        raise UsageError(
            f"{what} is an address like http://localhost:11434/v1, not {shown!r}: begin it with"
            " http:// or https://"
        )
    if has_password or any(_SECRET.search(each) for each in url.params):
        raise UsageError(
            f"{what} {shown} holds a password or a key: remove it, and put the key into {key_place}"
        )
    path = url.path.rstrip("/").removesuffix(_ENDPOINT)
    return str(url.copy_with(path=path, fragment=None))


def find_server_model(name: str) -> ServerModel | None:
    """Return the server model of a name: one in the settings, or `openai:MODEL`. None for others.

    Raises UsageError for a damaged entry or variable, and ModelError for an empty model.
    """
    if name.startswith(OPENAI):
        return _openai_model(name)
    entry = read_settings().servers.get(name)
    return None if entry is None else _from_settings(name, entry)


def server_models() -> dict[str, ServerModel]:
    """Return the server models of the settings by name. Raises UsageError for a damaged entry."""
    return {name: _from_settings(name, entry) for name, entry in read_settings().servers.items()}


def _openai_model(name: str) -> ServerModel:
    model = name.removeprefix(OPENAI).strip()
    if not model:
        raise ModelError(f"{OPENAI} needs the name of a model: {OPENAI}gpt-5-mini, for example")
    given = os.environ.get(OPENAI_URL_VARIABLE, "").strip()
    place = OPENAI_KEY_VARIABLE
    url = parse_url(given, OPENAI_URL_VARIABLE, place) if given else OPENAI_URL
    return ServerModel(name, url, model, OPENAI_KEY_VARIABLE)


def _from_settings(name: str, entry: Mapping[str, Any]) -> ServerModel:
    prices = entry.get("prices")
    is_valid = (
        isinstance(entry.get("url"), str)
        and isinstance(entry.get("model"), str)
        and isinstance(entry.get("key_env", ""), str)
        and (prices is None or _are_prices(prices))
    )
    try:
        if is_valid:
            pair = (float(prices[0]), float(prices[1])) if prices else None
            return make_server_model(name, entry["url"], entry["model"], entry.get("key_env"), pair)
        reason = "expected a url and a model"
    except UsageError as error:
        reason = str(error)
    raise UsageError(
        f"the server {short_repr(name)} in {settings_file()} cannot be used ({reason}): add it again"
        f" with `vipllava models add`, or correct the file"
    )


def _are_prices(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(type(each) in (int, float) and 0 <= each < 1e9 for each in value)
    )
