"""Phrases for a mark: the words of the model's training, and the words that people use.

Source of the phrases: ViP-LLaVA's visual_prompt_generator.py.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from vipllava_cli.marks.colors import SHADES, Color
from vipllava_cli.marks.types import Mark

# Preposition and noun of each shape in the model's training data.
_TRAINED_WORDS: Mapping[str, tuple[str, str]] = {
    "box": ("within", "rectangle"),
    "ellipse": ("within", "ellipse"),
    "triangle": ("with", "triangle"),
    "point": ("at", "point"),
    "scribble": ("with", "scribble"),
    "contour": ("with", "mask contour"),
    "mask": ("with", "mask"),
    "arrow": ("pointed to by", "arrow"),
}

# Words that people use for the same shapes and colours.
SHAPE_WORDS: Mapping[str, tuple[str, ...]] = {
    "box": ("box", "rectangle", "square"),
    "ellipse": ("ellipse", "circle", "oval"),
    "arrow": ("arrow",),
    "point": ("point", "dot"),
    "triangle": ("triangle",),
    "scribble": ("scribble",),
    "mask": ("mask",),
    "contour": ("contour", "mask contour"),
}
COLOR_WORDS: Mapping[str, tuple[str, ...]] = {
    "red": ("red",),
    "lime": ("lime", "green"),
    "blue": ("blue",),
    "yellow": ("yellow",),
    "fuchsia": ("fuchsia", "pink", "magenta"),
    "aqua": ("aqua", "cyan"),
    "orange": ("orange",),
    "purple": ("purple", "violet"),
    "gold": ("gold", "golden"),
}

# `dark` in `the dark blue box`: the colour is another one than blue.
TONES = sorted({color.name.split()[0] for color in SHADES if " " in color.name})

_NAMED_MARK = re.compile(
    r"\b(?P<tone>(?:{})\s+)?(?P<color>{})\s+(?P<shape>{})\b".format(
        "|".join(TONES),
        "|".join(word for words in COLOR_WORDS.values() for word in words),
        "|".join(sorted((w for words in SHAPE_WORDS.values() for w in words), key=len)[::-1]),
    ),
    re.IGNORECASE,
)


def place_phrase(mark: Mark) -> str:
    """Name the place of a mark: `within the red rectangle`."""
    preposition, noun = _TRAINED_WORDS[mark.shape]
    return f"{preposition} the {mark.color.name} {noun}"


def object_phrase(mark: Mark) -> str:
    """Name the marked object: `the object within the red rectangle`. This replaces `{1}`."""
    return f"the object {place_phrase(mark)}"


def repeated_phrases(marks: Sequence[Mark]) -> set[str]:
    """Return the phrases that name more than one of the marks."""
    if len(marks) < 2:
        return set()
    counts = Counter(map(object_phrase, marks))
    return {phrase for phrase, count in counts.items() if count > 1}


def color_words(color: Color) -> tuple[str, ...]:
    """Return the words that people use for a colour: `green` also stands for `dark green`."""
    name = color.name
    spellings = name.replace(" ", "-"), name.replace(" ", ""), name.replace("gray", "grey")
    return name, name.split()[-1], *spellings, *COLOR_WORDS.get(name, ())


def find_undrawn_mark(text: str, marks: Sequence[Mark]) -> str | None:
    """Find the first mark, like `blue arrow`, that the text names and that is not drawn.

    Returns None if there are no marks: the image itself may contain them.
    """
    named = [match for match in _NAMED_MARK.finditer(text) if not match["tone"]]
    if not marks or not named:
        return None
    drawn = {
        (color, shape)
        for mark in marks
        for color in color_words(mark.color)
        for shape in SHAPE_WORDS[mark.shape]
    }
    for match in named:
        color, shape = match["color"].lower(), match["shape"].lower()
        if (color, shape) not in drawn:
            return f"{color} {shape}"
    return None
