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


def drop_image_word(text: str) -> Question:
    """Drop `<image>` at the beginning and the end of a question, with a note.

    Training files have it there for the image, which the prompt contains anyway.
    """
    kept = text.strip()
    if not (kept.startswith(IMAGE) or kept.endswith(IMAGE)):
        return Question(text)
    while kept.startswith(IMAGE):
        kept = kept.removeprefix(IMAGE).lstrip()
    while kept.endswith(IMAGE):
        kept = kept.removesuffix(IMAGE).rstrip()
    return Question(kept, (f"dropped {IMAGE} from the question: the prompt has the image already",))


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
