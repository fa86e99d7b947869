"""The settings of `/set`: their names, the values that they accept, and where they are stored.

Numbers have the bounds of the command-line flag of the same name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, get_type_hints

from vipllava_cli.cli.options import AnswerOptions
from vipllava_cli.engine.options import TemplateName
from vipllava_cli.engine.prompts.references import choose_reference
from vipllava_cli.errors import InputError, UsageError, short_repr
from vipllava_cli.flows.chat.chat import Chat
from vipllava_cli.images.window import Window, format_window, parse_window
from vipllava_cli.marks.reference_style import AUTO, ReferenceStyle
from vipllava_cli.marks.shape_table import MAX_WIDTH, Units
from vipllava_cli.marks.types import MarkStyle
from vipllava_cli.storage.number_text import parse_number, parse_whole


@dataclass(frozen=True)
class Setting:
    """A setting of a chat. `form` describes its values; `parse` raises an error for others."""

    form: str
    parse: Callable[[str], Any]
    get: Callable[[Chat], Any]
    put: Callable[[Chat, Any], None]


def _number(kind: type[int] | type[float], low: float, high: float) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        value = parse_whole(text) if kind is int else parse_number(text)
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


def _parse_switch(text: str) -> bool:
    return {"on": True, "off": False}[text]


def _parse_window(text: str) -> Window | None:
    try:
        return None if text == "off" else parse_window(text)
    except UsageError:
        raise ValueError from None


def _format_window(window: Window | None) -> str:
    return "off" if window is None else format_window(window)


def _answer_setting(name: str) -> Setting:
    """Return the setting for a number of the generation options, with the bounds of its flag."""
    flag_type = get_type_hints(AnswerOptions, include_extras=True)[name]
    kind, flag = flag_type.__origin__, flag_type.__metadata__[0]
    upper = " or more" if flag.max is None else f" to {flag.max:.10g}"

    def put(chat: Chat, value: Any) -> None:
        options: Any = replace(chat.settings.options, **{name: value})
        chat.settings = replace(chat.settings, options=options)

    return Setting(
        f"{flag.min:g}{upper}",
        _number(kind, flag.min, float("inf") if flag.max is None else flag.max),
        lambda chat: getattr(chat.settings.options, name),
        put,
    )


def _word_setting(name: str, words: list[str]) -> Setting:
    """Return the setting for a field of the chat settings that takes one of these words."""

    def put(chat: Chat, value: Any) -> None:
        changed: dict[str, Any] = {name: value}
        chat.settings = replace(chat.settings, **changed)

    return Setting(
        ", ".join(words), _one_of(*words), lambda chat: getattr(chat.settings, name), put
    )


def _put_mark_style(chat: Chat, value: str) -> None:
    info = chat.engine.info
    reference = choose_reference(
        value, info.family, info.name, pads_image=info.pads_image, limits=info.size_limits
    )
    chat.change_reference(reference)


def _style_setting(name: str, high: float) -> Setting:
    """Return the setting for a number of the style of new marks. `MarkStyle` checks its bounds."""

    def parse(text: str) -> float:
        value = parse_number(text)
        MarkStyle(**{name: value})
        return value

    def put(chat: Chat, value: Any) -> None:
        changed: dict[str, Any] = {name: value}
        chat.settings = replace(chat.settings, style=replace(chat.settings.style, **changed))

    return Setting(
        f"above 0 to {high:g}",
        parse,
        lambda chat: getattr(chat.settings.style, name),
        put,
    )


def _put_zoom(chat: Chat, value: bool) -> None:
    chat.update_state(replace(chat.state, zoom=value))


def _put_numbers(chat: Chat, value: bool) -> None:
    chat.update_state(replace(chat.state, marked=replace(chat.state.marked_image, numbers=value)))


def _has_numbers(chat: Chat) -> bool:
    return bool(chat.state.marked and chat.state.marked.numbers)


_MARK_STYLES = (AUTO, *(each.value for each in ReferenceStyle))

SETTINGS: Mapping[str, Setting] = {
    "max-new-tokens": _answer_setting("max_new_tokens"),
    "temperature": _answer_setting("temperature"),
    "top-p": _answer_setting("top_p"),
    "seed": _answer_setting("seed"),
    "template": _word_setting("template", [each.value for each in TemplateName]),
    "zoom": Setting("on, off", _parse_switch, lambda chat: chat.state.zoom, _put_zoom),
    "numbers": Setting("on, off", _parse_switch, _has_numbers, _put_numbers),
    "window": Setting(
        "LOW,HIGH, off",
        _parse_window,
        lambda chat: _format_window(chat.settings.window),
        lambda chat, value: chat.change_window(value),
    ),
    "mark-style": Setting(
        ", ".join(_MARK_STYLES),
        _one_of(*_MARK_STYLES),
        lambda chat: chat.settings.reference.style.value,
        _put_mark_style,
    ),
    "units": _word_setting("units", [each.value for each in Units]),
    "width": _style_setting("width", MAX_WIDTH),
    "alpha": _style_setting("alpha", 1),
}


def set_value(chat: Chat, name: str, text: str) -> None:
    """Change a setting. Raises UsageError for an unknown name or a value that it does not accept."""
    setting = _find(name)
    try:
        value = setting.parse(text)
    except (ValueError, KeyError, OverflowError, InputError):
        raise UsageError(f"{name}: expected {setting.form}, found {short_repr(text)}") from None
    setting.put(chat, value)


def _find(name: str) -> Setting:
    """Return the setting of this name. Raises UsageError."""
    setting = SETTINGS.get(name)
    if setting is None:
        raise UsageError(f"unknown setting {short_repr(name)}: expected {', '.join(SETTINGS)}")
    return setting


def describe_setting(chat: Chat, name: str) -> str:
    """Return a setting's value, and the values that it accepts. Raises UsageError."""
    setting = _find(name)
    return f"{name} is {_format(setting.get(chat))}; /set {name} VALUE accepts {setting.form}"


def describe_settings(chat: Chat) -> list[tuple[str, str]]:
    """Return every setting's name and value."""
    return [(name, _format(setting.get(chat))) for name, setting in SETTINGS.items()]


def _format(value: Any) -> str:
    if value is None:
        return "default"
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)
