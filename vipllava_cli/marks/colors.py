"""Colours of marks: the nine that the model knows by name, every CSS name, and `#rrggbb`."""

import re
from dataclasses import dataclass

from PIL import ImageColor

from vipllava_cli.errors import InputError


@dataclass(frozen=True)
class Color:
    """A colour with the word that a question uses for it; `rgb` is 0-255 each."""

    name: str
    rgb: tuple[int, int, int]

    def __str__(self) -> str:
        """The text form that `parse_color` reads back."""
        known = ImageColor.colormap.get(self.name)
        return self.name if known and ImageColor.getrgb(self.name) == self.rgb else _hex(self.rgb)


# The pool of ViP-LLaVA's training (its visual_prompt_generator.py), in the order in which marks
# without a colour take them.
MODEL_COLORS: tuple[Color, ...] = (
    Color("red", (255, 0, 0)),
    Color("lime", (0, 255, 0)),
    Color("blue", (0, 0, 255)),
    Color("yellow", (255, 255, 0)),
    Color("fuchsia", (255, 0, 255)),
    Color("aqua", (0, 255, 255)),
    Color("orange", (255, 165, 0)),
    Color("purple", (128, 0, 128)),
    Color("gold", (255, 215, 0)),
)

# Other words for a colour that is near none of the pool.
_MORE_NAMES = ("white", "black", "gray", "brown", "pink", "green", "navy", "teal")

_HEX = re.compile(r"#(?:[0-9a-f]{3}|[0-9a-f]{6})", re.IGNORECASE)


def parse_color(text: str) -> Color:
    """A CSS colour name, `#rgb` or `#rrggbb`. Raises InputError for anything else."""
    name = text.strip().lower()
    if name in ImageColor.colormap:
        rgb = _rgb(name)
        return next((color for color in MODEL_COLORS if color.rgb == rgb), Color(name, rgb))
    if _HEX.fullmatch(name):
        return _named(_rgb(name))
    pool = ", ".join(color.name for color in MODEL_COLORS)
    raise InputError(
        f"unknown colour {text!r}: give one of {pool}, another CSS colour name, or #rrggbb"
    )


def _named(rgb: tuple[int, int, int]) -> Color:
    """The word for a free colour is the nearest one that people use."""
    known = (*MODEL_COLORS, *(Color(name, _rgb(name)) for name in _MORE_NAMES))
    nearest = min(
        known, key=lambda color: sum((a - b) ** 2 for a, b in zip(color.rgb, rgb, strict=True))
    )
    return Color(nearest.name, rgb)


def _rgb(text: str) -> tuple[int, int, int]:
    red, green, blue = ImageColor.getrgb(text)[:3]
    return red, green, blue


def _hex(rgb: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*rgb)
