"""Control words of the model, and the harmless text that replaces them in a question."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

IMAGE = "<image>"

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
    """A question as the model reads it, with notes for the user."""

    text: str
    notes: tuple[str, ...] = ()


def neutralize(text: str) -> Question:
    """Replace the control words in a text. Adds one note for each kind."""
    notes = []
    for control, harmless in _CONTROL_WORDS.items():
        if control in text:
            text = text.replace(control, harmless)
            notes.append(f"{control} is a control word of the model: sent as {harmless!r}")
    if _STOP_TEXT.search(text):
        text = _STOP_TEXT.sub(lambda match: " ".join(match[0]), text)
        notes.append("### ends an answer of the model: sent with spaces between")
    return Question(text, tuple(notes))
