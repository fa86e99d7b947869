"""The messages of a conversation, in the shape that a chat template reads.

Most templates read `text` of each part of a message, some published ones `content` (Pixtral), and some
need answers that are plain texts. Jinja takes a missing field for an empty text, which would lose a
question.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vipllava_cli.engine.prompts.templates import Turn
from vipllava_cli.errors import ModelError

Messages = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class MessageShape:
    """The field with the text of a part, and whether an answer is a text in place of a list of parts."""

    text_field: str = "text"
    has_plain_answers: bool = False

    def messages(self, turns: Sequence[Turn]) -> Messages:
        """Return the messages of a conversation about one image."""
        messages: list[dict[str, Any]] = []
        for turn in turns:
            image = [] if messages else [{"type": "image"}]
            messages.append({"role": "user", "content": [*image, self._part(turn.question)]})
            if turn.answer is not None:
                answer = turn.answer if self.has_plain_answers else [self._part(turn.answer)]
                messages.append({"role": "assistant", "content": answer})
        return messages

    def _part(self, text: str) -> Mapping[str, str]:
        return {"type": "text", self.text_field: text}


STANDARD = MessageShape()
_SHAPES = tuple(
    MessageShape(field, plain) for field in ("text", "content") for plain in (False, True)
)
_PRINTED_PARTS = ("{'type'", '{"type"')  # a list that a template prints as it is: that of GLM-4.1V
_SAMPLE = (Turn("firstword", "secondword"), Turn("thirdword"))


def choose_shape(render: Callable[[Messages], str], model: str) -> MessageShape:
    """Return the first shape with which a template writes a whole conversation, or else a question.

    `render` raises ModelError if the template fails. Raises the first of these errors if no question can
    be written, and ModelError if the template leaves it out.
    """
    errors: list[ModelError] = []
    for turns in (_SAMPLE, _SAMPLE[1:]):
        words = [text for turn in turns for text in (turn.question, turn.answer) if text]
        for shape in _SHAPES:
            try:
                text = render(shape.messages(turns))
            except ModelError as error:
                errors.append(error)
                continue
            places = [text.find(word) for word in words]
            is_printed = any(part in text for part in _PRINTED_PARTS)
            if min(places) >= 0 and places == sorted(places) and not is_printed:
                return shape
    if len(errors) == 2 * len(_SHAPES):
        raise errors[0]
    raise ModelError(
        f"the chat template of {model} leaves out the question: get the checkpoint again"
    )
