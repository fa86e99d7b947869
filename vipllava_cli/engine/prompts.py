"""The words around a question: the phrase for a mark, the templates, a conversation -> text.

The `human` template is the one of the model's documentation, `vicuna` the one of its training
(ViP-LLaVA's conversation.py, v1); `chat` is the processor's own and is filled in by the engine.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vipllava_cli.errors import InputError, UsageError, short_repr
from vipllava_cli.marks.types import Mark

IMAGE = "<image>"
DEFAULT_TEMPLATE = "human"

# What asks for a short answer, in the words of the model's training (LLaVA-1.5's).
LETTER_LINE = "Answer with the option's letter from the given choices directly."
PHRASE_LINE = "Answer the question using a single word or phrase."

# The words that ViP-LLaVA was trained with, by shape (its visual_prompt_generator.py).
_WORDS: Mapping[str, tuple[str, str]] = {
    "box": ("within", "rectangle"),
    "ellipse": ("within", "ellipse"),
    "triangle": ("with", "triangle"),
    "point": ("at", "point"),
    "scribble": ("with", "scribble"),
    "contour": ("with", "mask contour"),
    "mask": ("with", "mask"),
    "arrow": ("pointed to by", "arrow"),
}


def place_phrase(mark: Mark) -> str:
    """`within the red rectangle`: where the mark is, in the model's words."""
    before, noun = _WORDS[mark.shape]
    return f"{before} the {mark.color.name} {noun}"


def object_phrase(mark: Mark) -> str:
    """`the object within the red rectangle`: what `{1}` stands for."""
    return f"the object {place_phrase(mark)}"


# --- the user's words ------------------------------------------------------------------------

_PLACEHOLDER = re.compile(r"\{(?:(?P<number>\d{1,6})|(?P<column>[^\W\d][^{}]{0,60}))\}")

# Text that would act as control words of the model, and the harmless form that is sent instead.
_CONTROL_WORDS: Mapping[str, str] = {
    IMAGE: "< image >",
    "<s>": "< s >",
    "</s>": "< /s >",
    "<pad>": "< pad >",
    "<unk>": "< unk >",
}
_STOP_TEXT = re.compile(r"#{3,}")


@dataclass(frozen=True)
class Question:
    """A question as the model reads it, and a line for each thing that a user should know of it."""

    text: str
    notes: tuple[str, ...] = ()


def strip_question(text: str) -> str:
    """A question without the spaces around it. Raises UsageError for one without words."""
    words = text.strip()
    if not words:
        raise UsageError("the question is empty: expected words like 'what is in the red box?'")
    return words


def prepare_question(
    text: str, marks: Sequence[Mark], columns: Mapping[str, Any] | None = None
) -> Question:
    """Put mark phrases in place of `{1}`, `{2}`, …, the row's own in place of `{label}` and its like
    where there are `columns`, and make control words harmless.

    Raises UsageError for an empty question, and for a number or a name that stands for nothing.
    """
    notes: list[str] = []
    words = _PLACEHOLDER.sub(lambda match: _filled(match, marks, columns), strip_question(text))
    if not words.isprintable() and any("\ud800" <= letter <= "\udfff" for letter in words):
        raise UsageError(
            "the question is not valid text: expected UTF-8, check the terminal's locale or the file"
        )
    harmless = neutralize(words)
    words = harmless.text
    notes += harmless.notes
    absent = find_undrawn_mark(words, marks)
    if absent:
        drawn = ", ".join(f"{mark.color.name} {mark.shape}" for mark in marks)
        notes.append(f"the question names the {absent}, but the marks drawn are: {drawn}")
    return Question(words, tuple(notes))


def parse_choices(text: str) -> tuple[str, ...]:
    """`cat,dog` or, where a choice has a comma in it, `["cat", "a dog, asleep"]`. Raises InputError."""
    try:
        given = json.loads(text) if text.lstrip().startswith("[") else text.split(",")
    except ValueError:
        raise InputError(f"{_CHOICES_EXPECTED}: {short_repr(text)} is no JSON list") from None
    return check_choices(given)


_CHOICES_EXPECTED = 'choices are two or more different answers, like "cat,dog" or ["cat", "dog"]'


def check_choices(given: Any) -> tuple[str, ...]:
    """A list of answers to weigh, from outside. Raises InputError."""
    if not isinstance(given, list):
        raise InputError(f"{_CHOICES_EXPECTED}, not {short_repr(given)}")
    if not all(isinstance(choice, str) and choice.strip() for choice in given):
        raise InputError(f"{_CHOICES_EXPECTED}: one of {short_repr(given)} has no words")
    choices = tuple(choice.strip() for choice in given)
    if len(set(choices)) < max(len(choices), 2):
        raise InputError(f"{_CHOICES_EXPECTED}, found {short_repr(given)}")
    for choice in choices:
        if neutralize(choice).notes:
            raise InputError(
                f"{short_repr(choice)} has a control word of the model in it: leave it out"
            )
    return choices


def neutralize(text: str) -> Question:
    """The text without control words of the model, and with a note for each kind of them."""
    notes = []
    for control, harmless in _CONTROL_WORDS.items():
        if control in text:
            text = text.replace(control, harmless)
            notes.append(f"{control} is a control word of the model: sent as {harmless!r}")
    if _STOP_TEXT.search(text):
        text = _STOP_TEXT.sub(lambda match: " ".join(match[0]), text)
        notes.append("### ends an answer of the model: sent with spaces between")
    return Question(text, tuple(notes))


def _filled(match: re.Match[str], marks: Sequence[Mark], columns: Mapping[str, Any] | None) -> str:
    if match["column"]:
        return match[0] if columns is None else _column(match["column"], columns)
    number = int(match["number"])
    if not 1 <= number <= len(marks):
        have = f"only {len(marks)}" if marks else "no marks"
        raise UsageError(
            f"the question says {match[0]}, but there are {have}:"
            " {1} stands for the first mark, given with --box, --arrow and their like"
        )
    return object_phrase(marks[number - 1])


def _column(name: str, columns: Mapping[str, Any]) -> str:
    if name not in columns:
        have = f"only {', '.join(columns)}" if columns else "no further columns"
        raise UsageError(f"the question says {{{name}}}, but the row has {have}")
    value = columns[name]
    return " ".join(str(value).split())


# What people call the model's shapes and colours.
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

_NAMED_MARK = re.compile(
    r"\b(?P<color>{})\s+(?P<shape>{})\b".format(
        "|".join(word for words in COLOR_WORDS.values() for word in words),
        "|".join(sorted((w for words in SHAPE_WORDS.values() for w in words), key=len)[::-1]),
    ),
    re.IGNORECASE,
)


def find_undrawn_mark(text: str, marks: Sequence[Mark]) -> str | None:
    """The first mark that the text names, like `blue arrow`, and that is not among the marks.

    None without marks: then they may be in the image already.
    """
    if not marks:
        return None
    drawn = {
        (color, shape)
        for mark in marks
        for color in (mark.color.name, *COLOR_WORDS.get(mark.color.name, ()))
        for shape in SHAPE_WORDS[mark.shape]
    }
    for match in _NAMED_MARK.finditer(text):
        color, shape = match["color"].lower(), match["shape"].lower()
        if (color, shape) not in drawn:
            return f"{color} {shape}"
    return None


# --- templates -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Turn:
    """A question, and its answer once there is one."""

    question: str
    answer: str | None = None


@dataclass(frozen=True)
class Template:
    """The text before the first question, around every question, and after an answer."""

    system: str
    before: str
    after: str
    between: str
    stop: str

    def asked(self, question: str, *, first: bool) -> str:
        """A question with what opens and closes it; the image belongs to the first."""
        opening = (
            f"{self.system}{self.before}{IMAGE}\n" if first else f"{self.between}{self.before}"
        )
        return f"{opening}{question}{self.after}"

    def answered(self, answer: str) -> str:
        return f" {answer}"


TEMPLATES: Mapping[str, Template] = {
    "human": Template(
        system="A chat between a curious human and an artificial intelligence assistant. The"
        " assistant gives helpful, detailed, and polite answers to the human's questions.",
        before="###Human: ",
        after="###Assistant:",
        between="",
        stop="###",
    ),
    "vicuna": Template(
        system="A chat between a curious user and an artificial intelligence assistant. The"
        " assistant gives helpful, detailed, and polite answers to the user's questions. ",
        before="USER: ",
        after=" ASSISTANT:",
        between="</s>",
        stop="</s>",
    ),
}

# Text that ends an answer under every template: what the models write when they go on by themselves.
STOPS: tuple[str, ...] = ("###",)


def render(template: Template, turns: Sequence[Turn]) -> str:
    """The conversation as one text, ready for the model to go on."""
    text = ""
    for number, turn in enumerate(turns):
        text += template.asked(turn.question, first=number == 0)
        if turn.answer is not None:
            text += template.answered(turn.answer)
    return text
