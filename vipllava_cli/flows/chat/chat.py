"""A conversation with a model about an image: questions, answers, and changes of image and marks.

The model sees one image at a time. When the image or its marks change, the turns stay: the model
reads them again after the new image. Each turn records the image and the marks of its own question.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from vipllava_cli.engine.base import Engine, ModelView, Reply
from vipllava_cli.engine.options import DEFAULT_TEMPLATE, GREEDY, GenerationOptions
from vipllava_cli.engine.prompts.questions import prepare_question
from vipllava_cli.engine.prompts.templates import Turn
from vipllava_cli.errors import UsageError
from vipllava_cli.flows.chat.state import (
    CONTINUABLE,
    ChatState,
    ImageKey,
    RecordedTurn,
    image_key,
)
from vipllava_cli.flows.numbering import with_numbers
from vipllava_cli.flows.requests import make_record, make_request
from vipllava_cli.images.square import fit_to_model
from vipllava_cli.images.window import Window
from vipllava_cli.marks.marked_image import ImageFile, MarkedImage
from vipllava_cli.marks.resolve import NO_STYLE, resolve_marks
from vipllava_cli.marks.types import Mark, MarkSpec, MarkStyle

RESERVED_TOKENS = 64  # tokens reserved for the next question

WINDOW_SETTING = "/set window LOW,HIGH"
IMAGE_CHANGED = "image changed; conversation kept"

OnText = Callable[[str], None]  # takes each piece of an answer
ShouldStop = Callable[[], bool]  # returns True to stop the answer


@dataclass(frozen=True)
class ChatSettings:
    """Settings of the next answers (`template`, `options`), marks (`units`, `style`) and images."""

    template: str = DEFAULT_TEMPLATE
    options: GenerationOptions = GREEDY
    units: str = "px"
    style: MarkStyle = NO_STYLE
    window: Window | None = None


@dataclass
class Chat:
    """A running conversation.

    `note` receives each line that the user should know. `reply` is the engine's last reply.
    """

    engine: Engine
    note: Callable[[str], None]
    state: ChatState = field(default_factory=ChatState)
    settings: ChatSettings = field(default_factory=ChatSettings)
    reply: Reply | None = None

    def __post_init__(self) -> None:
        self.conversation = self.engine.start_conversation()
        self._cached_view: tuple[ImageKey, ModelView] | None = None
        self._retry_count = 0
        self._change_announced = False

    # --- answers -----------------------------------------------------------------------------

    def ask(
        self, text: str, on_text: OnText | None = None, stop: ShouldStop | None = None
    ) -> RecordedTurn | None:
        """Answer a question and append the turn.

        Returns None, and appends nothing, if `stop` ended the answer before its first word.
        Raises UsageError, InputError and GenerationError; the state then stays as it was.
        """
        question = prepare_question(text, self.state.input_image.marks)
        for note in (*self._add_numbers(text), *question.notes):
            self.note(note)
        self._retry_count = 0
        return self._answer(self.state, Turn(question.text), self.settings.options, on_text, stop)

    def _add_numbers(self, text: str) -> tuple[str, ...]:
        """Draw numbers from now on if the question needs them. Returns notes."""
        marked = self.state.marked
        if marked is None:
            return ()
        numbered, notes = with_numbers(marked, [text])
        if numbered is not marked:
            self.update_state(replace(self.state, marked=numbered))
        return notes

    def retry(
        self, on_text: OnText | None = None, stop: ShouldStop | None = None
    ) -> RecordedTurn | None:
        """Answer the last question again and replace its turn. Each retry samples with a new seed."""
        earlier = self.state.without_last_turn()
        options = self.settings.options
        if options.temperature > 0:
            self._retry_count += 1
            options = replace(options, seed=(options.seed + self._retry_count) % 2**32)
        else:
            self.note(
                "decoding is greedy: the answer changes only if the image or a setting changed;"
                " /set temperature 0.8 samples other answers"
            )
        return self._answer(earlier, Turn(self.state.turns[-1].question), options, on_text, stop)

    def continue_answer(
        self, on_text: OnText | None = None, stop: ShouldStop | None = None
    ) -> RecordedTurn | None:
        """Continue the last answer, if it was cut off or stopped. Raises UsageError if it was not."""
        earlier = self.state.without_last_turn()
        last = self.state.turns[-1]
        if last.record.finish_reason not in CONTINUABLE:
            raise UsageError("the last answer is complete: ask another question, or use /retry")
        if image_key(self.state.input_image) != last.image_key:
            raise UsageError(
                "the last answer is about another image or other marks: /retry answers again for"
                " this image"
            )
        return self._answer(earlier, last.turn, self.settings.options, on_text, stop, last)

    def _answer(
        self,
        earlier: ChatState,
        current: Turn,
        options: GenerationOptions,
        on_text: OnText | None,
        stop: ShouldStop | None,
        partial: RecordedTurn | None = None,
    ) -> RecordedTurn | None:
        """Answer `current` after the turns of `earlier`, and set the state.

        `partial` is the turn that the answer continues: its tokens and seconds count, too.
        """
        image = earlier.input_image
        view = self.view(image)
        earlier = self._drop_oldest_turns(earlier, current, view)
        reply = self.conversation.answer(
            view,
            [*(turn.turn for turn in earlier.visible_turns), current],
            template=self.template,
            options=options,
            on_text=on_text,
            stop=stop,
        )
        answer = reply.answer
        if answer.finish_reason == "stopped" and not answer.text:
            self.note("stopped before the first word: the question was not added")
            return None
        if partial is not None:
            allowed = partial.record.answer_tokens + options.max_new_tokens
            options = replace(options, max_new_tokens=allowed)
            answer = replace(answer, seconds=answer.seconds + partial.record.seconds)
        info = self.engine.info
        request = make_request(
            image,
            current.question,
            (info.name, info.revision),
            self.template,
            options,
            tuple((turn.question, turn.answer) for turn in earlier.visible_turns),
        )
        record = make_record(request, answer, info)
        turn = RecordedTurn(record, image.file.fingerprint, reply.tokens)
        self.state = replace(earlier, turns=(*earlier.turns, turn))
        self._change_announced = False
        self.reply = reply
        return turn

    @property
    def template(self) -> str:
        """The template of the next prompt. Raises UsageError if the model lacks it."""
        return self.engine.info.template_for(self.settings.template)

    # --- context length ----------------------------------------------------------------------

    @property
    def used_tokens(self) -> int:
        """Prompt tokens of the image and all visible turns; 0 before the first turn."""
        turns = [turn.turn for turn in self.state.visible_turns]
        if not turns:
            return 0
        return self.conversation.count(turns, self.template, self.view(self.state.input_image))

    def is_nearly_full(self) -> bool:
        """Return whether the next question and its answer may not fit beside all visible turns."""
        needed = self.used_tokens + RESERVED_TOKENS + self._answer_tokens()
        return needed > self.conversation.max_tokens

    def _answer_tokens(self) -> int:
        """Tokens reserved for an answer: at most a quarter of the context."""
        return min(self.settings.options.max_new_tokens, self.conversation.max_tokens // 4)

    def _drop_oldest_turns(self, earlier: ChatState, current: Turn, view: ModelView) -> ChatState:
        """Drop the oldest turns if `current` and its answer do not fit after all of them.

        Turns are dropped until a quarter of the context is free. Otherwise each further question
        would drop a turn, and the model would read all other turns again each time.
        """
        turns = [*(turn.turn for turn in earlier.visible_turns), current]
        template, max_tokens = self.template, self.conversation.max_tokens

        def needed_tokens(first: int) -> int:
            return self.conversation.count(turns[first:], template, view) + self._answer_tokens()

        alone = needed_tokens(len(turns) - 1)
        # The engine refuses such a question, however many turns are dropped.
        is_too_long = alone - self._answer_tokens() >= max_tokens
        if needed_tokens(0) <= max_tokens or len(turns) == 1 or is_too_long:
            return earlier
        goal = max(max_tokens * 3 // 4, alone)
        count = next(first for first in range(len(turns)) if needed_tokens(first) <= goal)
        oldest = "turn" if count == 1 else f"{count} turns"
        self.note(
            f"context full ({max_tokens} tokens): the model no longer sees the oldest {oldest};"
            " the image stays"
        )
        return replace(earlier, dropped_turns=earlier.dropped_turns + count)

    # --- image and marks ---------------------------------------------------------------------

    def change_image(self, file: ImageFile) -> None:
        """Change to an image without marks. Raises InputError for a damaged one."""
        _ = file.image  # decode now: a damaged image must not become the state
        numbers = self.state.marked is not None and self.state.marked.numbers
        self.update_state(replace(self.state, marked=MarkedImage(file, numbers=numbers)))

    def change_window(self, window: Window | None) -> None:
        """Show another range of values, of this image and of later ones. Raises InputError."""
        self.settings = replace(self.settings, window=window)
        marked = self.state.marked
        if marked is not None:
            file = marked.file.with_window(window)
            note = file.value_note(WINDOW_SETTING)
            if note:
                self.note(note)
            self.update_state(replace(self.state, marked=replace(marked, file=file)))

    def add_mark(self, spec: MarkSpec) -> Mark:
        """Resolve and add a mark. Raises UsageError without an image, InputError if it does not fit."""
        marked = self.state.marked_image
        resolved = resolve_marks(
            [spec],
            marked.file.size,
            style=self.settings.style,
            existing=marked.marks,
            read_orientation=marked.file.read_orientation,
        )
        for note in resolved.notes:
            self.note(note)
        marks = (*marked.marks, *resolved.marks)
        self.update_state(replace(self.state, marked=replace(marked, marks=marks)))
        return resolved.marks[0]

    def remove_mark(self, number: int | None) -> None:
        """Remove the mark with this number, from 1, or all marks for None. Raises UsageError."""
        marked = self.state.marked_image
        if not marked.marks:
            raise UsageError("there are no marks to remove")
        if number is not None and not 1 <= number <= len(marked.marks):
            count = len(marked.marks)
            expected = "the only mark is 1" if count == 1 else f"expected 1 to {count}"
            raise UsageError(f"there is no mark {number}: {expected}; /marks lists them")
        kept = () if number is None else marked.marks[: number - 1] + marked.marks[number:]
        self.update_state(replace(self.state, marked=replace(marked, marks=kept)))

    def update_state(self, state: ChatState) -> None:
        """Replace the state. Print one note per question if the model's image changes under turns."""
        old_key = None if self.state.marked is None else image_key(self.state.input_image)
        self.state = state
        changed = state.marked is not None and image_key(state.input_image) != old_key
        if changed and state.visible_turns and not self._change_announced:
            self.note(IMAGE_CHANGED)
            self._change_announced = True

    def view(self, image: MarkedImage) -> ModelView:
        """Return the model's view of an image: the same object for the same image.

        The engine keeps its caches as long as it gets the same object.
        """
        key = image_key(image)
        if self._cached_view is None or self._cached_view[0] != key:
            fitted = fit_to_model(image.drawn(), is_padded=self.engine.info.pads_image)
            self._cached_view = key, self.engine.view(fitted)
        return self._cached_view[1]
