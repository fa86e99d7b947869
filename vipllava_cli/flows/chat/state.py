"""The state of a conversation, as frozen values: the marked image and the turns so far."""

import json
import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from vipllava_cli.engine.prompts.templates import Turn
from vipllava_cli.errors import UsageError
from vipllava_cli.images.window import Window
from vipllava_cli.marks.json_marks import mark_to_json
from vipllava_cli.marks.marked_image import MarkedImage, zoom_in
from vipllava_cli.storage.records import Record

CONTINUABLE = ("length", "stopped")  # finish reasons of an answer that the model can continue

# Two images look the same to the model if these are equal: fingerprint, marks, numbers, crop, window,
# and the style if it is not the default.
ImageKey = tuple[
    str,
    list[dict[str, Any]],
    bool,
    tuple[int, int, int, int] | None,
    Window | None,
    str | None,
]

# A list of numbers that json.dumps spread over several lines.
_NUMBER_LIST = re.compile(r"\[\n\s+((?:-?[\d.eE+-]+,\n\s+)*-?[\d.eE+-]+)\n\s+\]")


def json_text(value: object) -> str:
    """Format a value as indented JSON, with each list of numbers on one line."""
    text = json.dumps(value, indent=2)
    return _NUMBER_LIST.sub(lambda match: f"[{' '.join(match[1].split())}]", text)


@dataclass(frozen=True)
class RecordedTurn:
    """A question and its answer, with the record of the image and marks that the model saw.

    `image_fingerprint` is the hash of the image file. `tokens` are the token ids of the
    answer.
    """

    record: Record
    image_fingerprint: str
    tokens: tuple[int, ...] = ()

    @property
    def question(self) -> str:
        return self.record.request.question

    @property
    def answer(self) -> str:
        return self.record.answer or ""

    @property
    def turn(self) -> Turn:
        """The turn as the engine takes it."""
        return Turn(self.question, self.answer, self.tokens)

    @cached_property
    def json_text(self) -> str:
        """The turn as indented JSON. It is made once: a session is saved after each of its turns."""
        row = self.record.to_json()
        row["extra"] |= {"picture": self.image_fingerprint, "tokens": list(self.tokens)}
        return json_text(row)

    @property
    def image_key(self) -> ImageKey:
        """The key of the image that the model saw."""
        request = self.record.request
        marks = [dict(mark) for mark in request.marks]
        return (
            self.image_fingerprint,
            marks,
            request.numbers,
            request.crop,
            request.window,
            request.mark_style,
        )


@dataclass(frozen=True)
class ChatState:
    """A conversation at one moment.

    `marked` is None before the first image. `zoom` crops the image around its marks. The model no
    longer reads the first `dropped_turns` turns.
    """

    marked: MarkedImage | None = None
    zoom: bool = False
    turns: tuple[RecordedTurn, ...] = ()
    dropped_turns: int = 0

    @property
    def visible_turns(self) -> tuple[RecordedTurn, ...]:
        """The turns that the model still reads."""
        return self.turns[self.dropped_turns :]

    @property
    def marked_image(self) -> MarkedImage:
        """The uncropped image with its marks. Raises UsageError if there is no image."""
        if self.marked is None:
            raise UsageError("no image yet: /image PATH opens one")
        return self.marked

    @property
    def input_image(self) -> MarkedImage:
        """The image for the model: cropped if `zoom`. Raises UsageError if there is no image."""
        return zoom_in(self.marked_image) if self.zoom else self.marked_image

    def without_last_turn(self) -> "ChatState":
        """Remove the last turn. Raises UsageError if there is none."""
        if not self.turns:
            raise UsageError("no question yet: nothing to undo, retry or continue")
        turns = self.turns[:-1]
        return replace(self, turns=turns, dropped_turns=min(self.dropped_turns, len(turns)))


def image_key(image: MarkedImage) -> ImageKey:
    """Return the key of an image as it is drawn."""
    marks = [mark_to_json(mark) for mark in image.marks]
    return (
        image.file.fingerprint,
        marks,
        image.numbers,
        image.crop,
        image.file.window,
        image.style.recorded,
    )
