"""A conversation about an image: its state as values, and what each step makes of it.

The model knows one image. When the marks or the image change, what was said is kept and read again
over the newly drawn image; each turn remembers which image and marks it was about.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from vipllava_cli.engine.base import GREEDY, Engine, GenerationOptions, ModelView, Reply
from vipllava_cli.engine.prompts.questions import prepare_question
from vipllava_cli.engine.prompts.templates import DEFAULT_TEMPLATE, Turn
from vipllava_cli.errors import UsageError
from vipllava_cli.flows.requests import make_record, make_request
from vipllava_cli.images.square import pad_to_square
from vipllava_cli.marks.marked_image import ImageFile, MarkedImage, zoom_in
from vipllava_cli.marks.parse import mark_to_json
from vipllava_cli.marks.resolve import NO_STYLE, resolve_marks
from vipllava_cli.marks.types import Mark, MarkSpec, MarkStyle
from vipllava_cli.storage.records import Record

RESERVED_TOKENS = 64  # tokens that a next question is thought to have, when room is looked for
CONTINUABLE = ("length", "stopped")  # reasons for the end of an answer that can be gone on with

IMAGE_CHANGED = "the conversation goes on over the newly drawn image, its words kept and read again"


@dataclass(frozen=True)
class RecordedTurn:
    """A question and its answer, with the image and the marks that the model saw; `image_fingerprint` is the
    file's fingerprint, `tokens` are the model's own for the answer.
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
        return Turn(self.question, self.answer, self.tokens)


@dataclass(frozen=True)
class ChatState:
    """A conversation at some point. The first `dropped_turns` turns are no longer read by the model."""

    marked: MarkedImage | None = None
    zoom: bool = False
    turns: tuple[RecordedTurn, ...] = ()
    dropped_turns: int = 0

    @property
    def visible_turns(self) -> tuple[RecordedTurn, ...]:
        return self.turns[self.dropped_turns :]

    @property
    def marked_image(self) -> MarkedImage:
        """The whole image with its marks. Raises UsageError while there is none."""
        if self.marked is None:
            raise UsageError("there is no image yet: give one with /image PATH")
        return self.marked

    @property
    def shown(self) -> MarkedImage:
        """What the model looks at. Raises UsageError without an image."""
        return zoom_in(self.marked_image) if self.zoom else self.marked_image

    def without_last(self) -> "ChatState":
        """The last question and its answer undone. Raises UsageError."""
        if not self.turns:
            raise UsageError("nothing was asked yet: there is no turn to take back")
        turns = self.turns[:-1]
        return replace(self, turns=turns, dropped_turns=min(self.dropped_turns, len(turns)))


@dataclass(frozen=True)
class ChatSettings:
    """How marks to come are read, and how answers to come are made."""

    template: str = DEFAULT_TEMPLATE
    options: GenerationOptions = GREEDY
    units: str = "px"
    style: MarkStyle = NO_STYLE


@dataclass
class Chat:
    """A conversation that goes on. `note` takes each line that the user should know; `reply` is the
    last one as the engine gave it.
    """

    engine: Engine
    note: Callable[[str], None]
    state: ChatState = field(default_factory=ChatState)
    settings: ChatSettings = field(default_factory=ChatSettings)
    reply: Reply | None = None

    def __post_init__(self) -> None:
        self.conversation = self.engine.start_conversation()
        self._drawn: tuple[Any, ModelView] | None = None
        self._tries = 0
        self._told = False

    # --- answers -----------------------------------------------------------------------------

    def ask(
        self,
        text: str,
        on_text: Callable[[str], None] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> RecordedTurn | None:
        """The question and its answer, which are in the conversation from now on; None if it was stopped
        before its first word. Raises UsageError, InputError and GenerationError.
        """
        question = prepare_question(text, self.state.shown.marks)
        for note in question.notes:
            self.note(note)
        self._tries = 0
        return self._answer(self.state, Turn(question.text), self.settings.options, on_text, stop)

    def retry(
        self,
        on_text: Callable[[str], None] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> RecordedTurn | None:
        """Another answer to the last question, in place of the one that it has."""
        base = self.state.without_last()
        options = self.settings.options
        if options.temperature > 0:
            self._tries += 1
            options = replace(options, seed=(options.seed + self._tries) % 2**32)
        else:
            self.note(
                "answers are greedy, so this is the same one unless the image or a setting has"
                " changed: /set temperature 0.8 draws others"
            )
        return self._answer(base, Turn(self.state.turns[-1].question), options, on_text, stop)

    def more(
        self,
        on_text: Callable[[str], None] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> RecordedTurn | None:
        """The last answer, gone on with from where it was cut."""
        base = self.state.without_last()
        last = self.state.turns[-1]
        if last.record.finish_reason not in CONTINUABLE:
            raise UsageError("the last answer came to its end: ask a next question, or /retry")
        if self._seen(self.state.shown) != _seen_by(last):
            raise UsageError(
                "the last answer was about another image or other marks, and is not gone on with over"
                " these: /retry answers anew"
            )
        return self._answer(base, last.turn, self.settings.options, on_text, stop, last)

    def _answer(
        self,
        base: ChatState,
        asking: Turn,
        options: GenerationOptions,
        on_text: Callable[[str], None] | None,
        stop: Callable[[], bool] | None,
        begun: RecordedTurn | None = None,
    ) -> RecordedTurn | None:
        """Answer after the turns of `base`; only an answer with words in it changes the conversation."""
        shown = base.shown
        base = self._with_room(base, asking)
        visible_turns = [turn.turn for turn in base.visible_turns]
        reply = self.conversation.answer(
            self._view(shown),
            [*visible_turns, asking],
            template=self.settings.template,
            options=options,
            on_text=on_text,
            stop=stop,
        )
        answer = reply.answer
        if answer.finish_reason == "stopped" and not answer.text:
            self.note("stopped before the first word: the question is not in the conversation")
            return None
        if begun is not None:
            allowed = begun.record.answer_tokens + options.max_new_tokens
            options = replace(options, max_new_tokens=allowed)
            answer = replace(answer, seconds=answer.seconds + begun.record.seconds)
        info = self.engine.info
        request = make_request(
            shown,
            asking.question,
            (info.name, info.revision),
            self.settings.template,
            options,
            tuple((turn.question, turn.answer) for turn in base.visible_turns),
        )
        turn = RecordedTurn(
            make_record(request, answer, info), shown.file.fingerprint, reply.tokens
        )
        self.state = replace(base, turns=(*base.turns, turn))
        self._told = False
        self.reply = reply
        return turn

    # --- room --------------------------------------------------------------------------------

    @property
    def used(self) -> int:
        """The tokens of what the model would read again: image, questions and answers."""
        visible_turns = [turn.turn for turn in self.state.visible_turns]
        return (
            self.conversation.count(visible_turns, self.settings.template) if visible_turns else 0
        )

    def is_nearly_full(self) -> bool:
        """Whether a next question and its answer may not fit beside all that was said."""
        return self.used + RESERVED_TOKENS + self._room() > self.conversation.max_tokens

    def _room(self) -> int:
        """Tokens kept free for an answer."""
        return min(self.settings.options.max_new_tokens, self.conversation.max_tokens // 4)

    def _with_room(self, base: ChatState, asking: Turn) -> ChatState:
        """The same with its oldest turns left out if the question and an answer do not fit: as many as
        leave a quarter free, so that not every next question has all the others read again.
        """
        turns = [*(turn.turn for turn in base.visible_turns), asking]
        template, max_tokens = self.settings.template, self.conversation.max_tokens

        def size(first: int) -> int:
            return self.conversation.count(turns[first:], template) + self._room()

        alone = size(len(turns) - 1)
        refused = alone - self._room() >= max_tokens  # by the engine, whatever is left out
        if size(0) <= max_tokens or len(turns) == 1 or refused:
            return base
        goal = max(max_tokens * 3 // 4, alone)
        drop_count = next(first for first in range(len(turns)) if size(first) <= goal)
        what = "turn is" if drop_count == 1 else f"{drop_count} turns are"
        self.note(
            f"the model holds {max_tokens} tokens, and the conversation has come to that: its oldest {what}"
            " left out from now on; the image stays"
        )
        return replace(base, dropped_turns=base.dropped_turns + drop_count)

    # --- image and marks -------------------------------------------------------------------

    def change_image(self, file: ImageFile) -> None:
        """Go on over another image, without marks. Raises InputError for a damaged one."""
        _ = file.image
        numbers = self.state.marked is not None and self.state.marked.numbers
        self.update_state(replace(self.state, marked=MarkedImage(file, numbers=numbers)))

    def add(self, spec: MarkSpec) -> Mark:
        """One more mark. Raises UsageError without an image, InputError for one that does not fit."""
        marked = self.state.marked_image
        resolved = resolve_marks(
            [spec], marked.file.size, style=self.settings.style, existing=marked.marks
        )
        for note in resolved.notes:
            self.note(note)
        marks = (*marked.marks, *resolved.marks)
        self.update_state(replace(self.state, marked=replace(marked, marks=marks)))
        return resolved.marks[0]

    def remove(self, number: int | None) -> None:
        """Take a mark away, counted from 1, or all of them. Raises UsageError."""
        marked = self.state.marked_image
        if not marked.marks:
            raise UsageError("there are no marks to take away")
        if number is not None and not 1 <= number <= len(marked.marks):
            raise UsageError(
                f"there is no mark {number}: /marks lists them, 1 to {len(marked.marks)}"
            )
        left = () if number is None else marked.marks[: number - 1] + marked.marks[number:]
        self.update_state(replace(self.state, marked=replace(marked, marks=left)))

    def update_state(self, state: ChatState) -> None:
        """Go on with this, which may be drawn otherwise; that words are read again is said once before
        the next question.
        """
        before = None if self.state.marked is None else self._seen(self.state.shown)
        self.state = state
        changed = state.marked is not None and self._seen(state.shown) != before
        if changed and state.visible_turns and not self._told:
            self.note(IMAGE_CHANGED)
            self._told = True

    def _seen(self, shown: MarkedImage) -> tuple[Any, ...]:
        """What tells one image as drawn from another."""
        marks = [mark_to_json(mark) for mark in shown.marks]
        return shown.file.fingerprint, marks, shown.numbers, shown.crop

    def _view(self, shown: MarkedImage) -> ModelView:
        """The model's view, the same object for the same image: that keeps what was read of it."""
        seen = self._seen(shown)
        if self._drawn is None or self._drawn[0] != seen:
            self._drawn = seen, self.engine.view(pad_to_square(shown.drawn()))
        return self._drawn[1]


def _seen_by(turn: RecordedTurn) -> tuple[Any, ...]:
    request = turn.record.request
    return (
        turn.image_fingerprint,
        [dict(mark) for mark in request.marks],
        request.numbers,
        request.crop,
    )
