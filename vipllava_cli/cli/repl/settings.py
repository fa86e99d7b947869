"""What `/set` changes: a table of names, the values that they take, and where they go."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from vipllava_cli.cli.options import TemplateName
from vipllava_cli.engine.base import MAX_TEMPERATURE
from vipllava_cli.errors import UsageError, short_repr
from vipllava_cli.flows.chat.chat import Chat
from vipllava_cli.marks.types import MAX_WIDTH, Units


@dataclass(frozen=True)
class Setting:
    """A name, what its value looks like, how it is read, and how it is got from a chat and put there."""

    form: str
    parse: Callable[[str], Any]
    get: Callable[[Chat], Any]
    put: Callable[[Chat, Any], None]


def _number(kind: type[int] | type[float], low: float, high: float) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        value = kind(text)
        if not low <= value <= high:
            raise ValueError
        return value

    return parse


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError
        return text

    return parse


def _switch(text: str) -> bool:
    return {"on": True, "off": False}[text]


def _option(name: str) -> dict[str, Any]:
    """A field of the generation options."""

    def put(chat: Chat, value: Any) -> None:
        options: Any = replace(chat.settings.options, **{name: value})
        chat.settings = replace(chat.settings, options=options)

    return {"get": lambda chat: getattr(chat.settings.options, name), "put": put}


def _own(name: str) -> dict[str, Any]:
    """A field of the settings themselves."""

    def put(chat: Chat, value: Any) -> None:
        changed: dict[str, Any] = {name: value}
        chat.settings = replace(chat.settings, **changed)

    return {"get": lambda chat: getattr(chat.settings, name), "put": put}


def _put_numbers(chat: Chat, value: bool) -> None:
    chat.update_state(replace(chat.state, marked=replace(chat.state.marked_image, numbers=value)))


def _style(name: str) -> dict[str, Any]:
    """A field of the style of new marks."""

    def put(chat: Chat, value: Any) -> None:
        changed: dict[str, Any] = {name: value}
        chat.settings = replace(chat.settings, style=replace(chat.settings.style, **changed))

    return {"get": lambda chat: getattr(chat.settings.style, name), "put": put}


_TEMPLATES, _UNITS = [each.value for each in TemplateName], [each.value for each in Units]

SETTINGS: Mapping[str, Setting] = {
    "max-new-tokens": Setting("1 or more", _number(int, 1, 2**31), **_option("max_new_tokens")),
    "temperature": Setting(
        f"0 to {MAX_TEMPERATURE:g}", _number(float, 0, MAX_TEMPERATURE), **_option("temperature")
    ),
    "top-p": Setting("0.01 to 1", _number(float, 0.01, 1), **_option("top_p")),
    "seed": Setting("0 or more", _number(int, 0, 2**32 - 1), **_option("seed")),
    "template": Setting(", ".join(_TEMPLATES), _one_of(*_TEMPLATES), **_own("template")),
    "zoom": Setting(
        "on, off",
        _switch,
        lambda chat: chat.state.zoom,
        lambda chat, value: chat.update_state(replace(chat.state, zoom=value)),
    ),
    "numbers": Setting(
        "on, off",
        _switch,
        lambda chat: bool(chat.state.marked and chat.state.marked.numbers),
        _put_numbers,
    ),
    "units": Setting(", ".join(_UNITS), _one_of(*_UNITS), **_own("units")),
    "width": Setting("above 0 to 100", _number(float, 1e-3, MAX_WIDTH), **_style("width")),
    "alpha": Setting("above 0 to 1", _number(float, 1e-3, 1), **_style("alpha")),
}


def set_value(chat: Chat, name: str, text: str) -> None:
    """Change a setting. Raises UsageError for an unknown name or a value that it does not take."""
    setting = SETTINGS.get(name)
    if setting is None:
        raise UsageError(f"there is no setting {short_repr(name)}: they are {', '.join(SETTINGS)}")
    try:
        value = setting.parse(text)
    except (ValueError, KeyError, OverflowError):
        raise UsageError(f"{name} is {setting.form}, not {short_repr(text)}") from None
    setting.put(chat, value)


def describe_settings(chat: Chat) -> list[tuple[str, str]]:
    """Every setting with its value."""
    return [(name, _shown(each.get(chat))) for name, each in SETTINGS.items()]


def _shown(value: Any) -> str:
    if value is None:
        return "as is usual"
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)
