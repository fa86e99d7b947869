"""Colours of marks: the nine names of the model's training, shades, every CSS name, and `#rrggbb`.

Pillow has the table of CSS names. It loads on first use: `--help` imports this module through
`marks.types`, and does not need Pillow.
"""

import difflib
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, product

from vipllava_cli.errors import InputError, short_repr


@dataclass(frozen=True)
class Color:
    """A colour: its name in questions, and its red, green and blue, 0-255."""

    name: str
    rgb: tuple[int, int, int]

    def __str__(self) -> str:
        """Return the name, or `#rrggbb` where the name means another colour. `parse_color` reads both."""
        if self == _SHADES_BY_NAME.get(self.name):
            return self.name.replace(" ", "-")
        is_css = self.name in _css_names() and _css_rgb(self.name) == self.rgb
        return self.name if is_css else "#{:02x}{:02x}{:02x}".format(*self.rgb)


# The colours of ViP-LLaVA's training (visual_prompt_generator.py). Marks without a colour take them in
# this order.
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

# Shades for the tenth mark and later ones, in this order: far from each other, from the nine above and
# from their neighbours in the order, with names that a question can say.
SHADES: tuple[Color, ...] = (
    Color("dark green", (0, 100, 0)),
    Color("light pink", (255, 182, 193)),
    Color("black", (0, 0, 0)),
    Color("royal blue", (65, 105, 225)),
    Color("light green", (144, 238, 144)),
    Color("dark red", (139, 0, 0)),
    Color("teal", (0, 128, 128)),
    Color("hot pink", (255, 105, 180)),
    Color("dark brown", (101, 67, 33)),
    Color("white", (255, 255, 255)),
    Color("olive", (128, 128, 0)),
    Color("dark blue", (0, 0, 139)),
    Color("salmon", (250, 128, 114)),
    Color("light blue", (135, 206, 250)),
    Color("gray", (128, 128, 128)),
)
NAMED_COLORS = (*MODEL_COLORS, *SHADES)
_SHADES_BY_NAME = {color.name: color for color in SHADES if " " in color.name}

# Further names, for hexadecimal colours that are far from all nine.
_OTHER_NAMES = ("white", "black", "gray", "brown", "pink", "green", "navy", "teal")

_MIN_SIMILARITY = 0.75  # of two names: one wrong letter in four

_HEX = re.compile(r"#(?:[0-9a-f]{3}|[0-9a-f]{6})", re.IGNORECASE)


def parse_color(text: str) -> Color:
    """Parse a CSS colour name, a shade like `dark-green`, `#rgb` or `#rrggbb`. Raises InputError.

    A colour has one name, so that marks alike are found: `cyan` is `aqua`, `darkgreen` and `#006400`
    are `dark green`, and `grey` is `gray`.
    """
    name = text.strip().lower()
    is_css = name in _css_names()
    if is_css or _HEX.fullmatch(name):
        rgb = _css_rgb(name)
        same = next((color for color in NAMED_COLORS if color.rgb == rgb), None)
        other = Color(name.replace("grey", "gray"), rgb) if is_css else _name_nearest(rgb)
        return same or other
    shade = _SHADES_BY_NAME.get(" ".join(name.replace("-", " ").split()))
    if shade:
        return shade
    names = [color.name for color in MODEL_COLORS]
    near = difflib.get_close_matches(
        name, [*names, *map(str, SHADES), *_css_names()], 1, _MIN_SIMILARITY
    )
    meant = f"; did you mean {near[0]}?" if near else ""
    raise InputError(
        f"unknown colour {short_repr(text)}: give one of {', '.join(names)}, another CSS colour name, or"
        f" #rrggbb{meant}"
    )


def unused_colors(taken: Iterable[Color]) -> Iterator[Color]:
    """Yield colours without end, none of which is taken. They repeat if there are few."""
    taken = list(taken)
    names, shades = {color.name for color in taken}, {color.rgb for color in taken}
    free = [each for each in NAMED_COLORS if each.name not in names and each.rgb not in shades]
    return cycle(free or [_farthest_color(shades)])


def _farthest_color(shades: Collection[tuple[int, int, int]]) -> Color:
    """Return the colour of a grid that is farthest from the nearest of the shades."""
    grid = product(range(0, 256, 51), repeat=3)
    red, green, blue = max(
        grid, key=lambda rgb: min(_squared_distance(rgb, shade) for shade in shades)
    )
    return _name_nearest((red, green, blue))


def _squared_distance(rgb: Sequence[int], other: Sequence[int]) -> int:
    return sum((a - b) ** 2 for a, b in zip(rgb, other, strict=True))


def _name_nearest(rgb: tuple[int, int, int]) -> Color:
    """Give a colour the name of the nearest common colour, by Euclidean distance in RGB."""
    named = (*MODEL_COLORS, *(Color(name, _css_rgb(name)) for name in _OTHER_NAMES))
    nearest = min(named, key=lambda color: _squared_distance(color.rgb, rgb))
    return Color(nearest.name, rgb)


def _css_names() -> Collection[str]:
    from PIL import ImageColor

    return ImageColor.colormap


def _css_rgb(text: str) -> tuple[int, int, int]:
    from PIL import ImageColor

    red, green, blue = ImageColor.getrgb(text)[:3]
    return red, green, blue
