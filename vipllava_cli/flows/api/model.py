"""A model in memory: one question, a batch, a conversation."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any, TypeAlias

from vipllava_cli.engine.base import Engine, ModelInfo
from vipllava_cli.engine.open import find_server, ignored_settings_note, open_engine
from vipllava_cli.engine.options import (
    DEFAULT_MODEL,
    DEFAULT_TEMPLATE,
    GREEDY,
    Attention,
    Dtype,
    GenerationOptions,
    Quantization,
    parse_device,
)
from vipllava_cli.engine.prompts.questions import prepare_question
from vipllava_cli.engine.prompts.references import Reference
from vipllava_cli.errors import GenerationError, UsageError, VipllavaError
from vipllava_cli.flows import ask as flow
from vipllava_cli.flows.answering import (
    Answers,
    Prompts,
    answer_prompts,
    make_answer_record,
    make_prompts,
)
from vipllava_cli.flows.api.chat import ImageChat
from vipllava_cli.flows.api.checks import (
    check_generation,
    check_mark_style,
    check_name,
    check_path,
    check_question,
    check_row,
    check_rows,
    check_server_options,
)
from vipllava_cli.flows.api.fields import FieldsInput, typed_question, with_fields
from vipllava_cli.flows.api.inputs import (
    ImageInput,
    MarkInput,
    image_name,
    mark_image,
    read_window,
    with_choices,
)
from vipllava_cli.flows.api.response import Response, to_response
from vipllava_cli.flows.batch.fallback import answer_in_parallel
from vipllava_cli.flows.chat.state import ChatState
from vipllava_cli.flows.numbering import with_numbers
from vipllava_cli.flows.referring import name_marks
from vipllava_cli.flows.requests import make_request
from vipllava_cli.images.source import record_name
from vipllava_cli.images.window import Window
from vipllava_cli.marks.reference_style import AUTO
from vipllava_cli.storage.records import Record, Request, failure

_ROW_FIELDS = ("id", "image", "question", "marks", "choices")
# A type with a key for each field would refuse lists of dicts: checkers infer one type for all values.
BatchRow: TypeAlias = "Mapping[str, Any]"


def load_model(
    name: str | os.PathLike[str] = DEFAULT_MODEL,
    *,
    revision: str | None = None,
    device: str = "auto",
    dtype: str = "auto",
    quantize: str | None = None,
    max_memory: str | None = None,
    attention: str = "auto",
    parallel: int | None = None,
    timeout: float | None = None,
    check_images: bool | None = None,
) -> Model:
    """Load a model into memory. Downloads nothing: `vipllava models pull NAME` does.

    Warns of settings in the model's generation_config.json, which are not used.

    Args:
        name: `tiny`, `7b`, `13b`, a name on the hub, a folder, a server named with `vipllava models
            add`, or `openai:MODEL`.
        revision: A branch, tag or commit on the hub.
        device: `auto`, `cpu`, `mps`, `cuda` for all GPUs, or `cuda:1` for one.
        dtype: `auto`, `bf16`, `fp16` or `fp32`.
        quantize: `int8` or `nf4` for the decoder layers.
        max_memory: Limits by device, like `0=8GiB,cpu=20GiB`.
        attention: `auto`, `sdpa`, `flash` or `eager`.
        parallel: Requests to a server at a time; 4 if not given.
        timeout: Seconds to wait for the next byte of a server; 120 if not given.
        check_images: Whether to check once a day that images reach the model on a server.

    The options from `device` to `attention` are for models on this machine, and those after them for
    models on servers.

    Raises:
        ModelError: The model is missing, is of no supported family, or does not fit; or its server
            cannot be used.
        UsageError: An option is invalid.

    """
    from vipllava_cli.engine.hardware.load_options import LoadOptions, parse_max_memory

    options = LoadOptions(
        device=parse_device(str(device), "device"),
        dtype=check_name(dtype, Dtype, "dtype"),
        quantize=None if quantize is None else check_name(quantize, Quantization, "quantize"),
        max_memory=None if max_memory is None else parse_max_memory(str(max_memory)),
        attention=check_name(attention, Attention, "attention"),
    )
    given = check_path(name, "name")
    if find_server(given) is None:
        if any(option is not None for option in (parallel, timeout, check_images)):
            raise UsageError(
                f"parallel, timeout and check_images are for models on servers, and {given} runs on"
                " this machine: remove them"
            )
        engine = open_engine(given, revision=revision, load_options=options)
        if note := ignored_settings_note(given, revision):
            warnings.warn(note, stacklevel=2)
        return Model(engine)
    if options != LoadOptions():
        raise UsageError(
            f"{given} runs on a server: remove device, dtype, quantize, max_memory and attention"
        )
    settings = check_server_options(parallel, timeout, check_images)
    return Model(open_engine(given, revision=revision, server_options=settings))


class Model:
    """A model in memory. Make one with `load_model`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def info(self) -> ModelInfo:
        """The model's name, revision, device, precision and image size."""
        return self._engine.info

    def ask(
        self,
        image: ImageInput,
        question: str | None = None,
        *,
        marks: Sequence[MarkInput] = (),
        choices: Sequence[str] = (),
        fields: FieldsInput | None = None,
        numbers: bool = False,
        zoom: bool = False,
        window: Sequence[float] | None = None,
        mark_style: str = AUTO,
        template: str = DEFAULT_TEMPLATE,
        options: GenerationOptions = GREEDY,
    ) -> Response:
        """Ask one question about an image with marks on it, or one for each of several fields.

        Args:
            image: A path, an http(s) address, a PIL image, or uint8 [height, width, 3] in RGB.
            question: The question; `{1}` stands for the first mark.
            marks: Marks to draw, in this order.
            choices: Answers to choose from, by likelihood.
            fields: Fields in place of a question, like `"material: metal|wood; damaged: yes|no"`, or
                a JSON Schema as a dict.
            numbers: Write 1, 2, 3 beside the marks.
            zoom: Show the model only the marks and their surroundings.
            window: Values of an image of more than 8 bits to show as black and white, like `(0, 4095)`.
            mark_style: How the question refers to a mark: `drawn`, `numbered`, `coordinates`,
                `coordinates+drawn` or `crop`. `auto` is the style of the model's family.
            template: The form of the prompt: `auto`, `chat`, or for ViP-LLaVA `human` or `vicuna`.
            options: Length and sampling, like `GenerationOptions(max_new_tokens=50)`.

        Raises:
            InputError: The image, a mark, a choice or a field cannot be used.
            UsageError: The question, `window`, `mark_style`, `template` or `options` make no sense.
            GenerationError: The model failed.

        """
        check_generation(template, options)
        chosen, field_notes = with_fields(with_choices(options, choices), fields, question)
        if not chosen.fields:
            check_question(question)
        reference = check_mark_style(mark_style, self.info)
        marked, notes = mark_image(
            image, marks, numbers=numbers, zoom=zoom, window=window, reference=reference
        )
        text = typed_question(question, chosen, has_marks=bool(marked.marks))
        marked, numbers_notes = with_numbers(marked, [text])
        notes += numbers_notes
        names = name_marks(marked, reference, has_fields=bool(chosen.fields))
        prepared = prepare_question(text, marked.marks, names=names)
        [record] = flow.ask(
            self._engine, marked, [prepared.text], template=template, options=chosen
        )
        return to_response(record, (*field_notes, *notes, *prepared.notes))

    def batch(
        self,
        rows: Iterable[BatchRow],
        *,
        fields: FieldsInput | None = None,
        batch_size: int | None = None,
        numbers: bool = False,
        zoom: bool = False,
        window: Sequence[float] | None = None,
        mark_style: str = AUTO,
        template: str = DEFAULT_TEMPLATE,
        options: GenerationOptions = GREEDY,
    ) -> Iterator[Response]:
        """Answer many rows, several at a time. Yields one response per row, in their order.

        A row that fails gives a response with `error`, and the others continue. Rows are read as
        they are needed. If reading one raises, the rows before it are answered first. `batch_size`
        None takes as many rows as fit into memory. `fields` are asked about every row, as in `ask`;
        the rows then have no question and no choices. `vipllava batch` also writes the answers to a
        file and resumes after a stop.

        Raises:
            InputError: A field cannot be used.
            UsageError: `rows`, `batch_size`, `window`, `mark_style`, `template` or `options` make no
                sense.

        """
        check_generation(template, options)
        numbered = enumerate(check_rows(rows, batch_size), 1)
        chosen, _ = with_fields(with_choices(options, ()), fields, None)
        shown = read_window(window)
        reference = check_mark_style(mark_style, self.info)
        shown_template = self.info.template_for(template)
        settings = _BatchSettings(numbers, zoom, shown, reference, shown_template, chosen)
        prompts = batch_size or self._engine.max_batch_size()
        size = prompts if batch_size else max(prompts // max(len(chosen.fields), 1), 1)
        size *= self._engine.parallel
        return self._answers(numbered, size, settings)

    def chat(
        self,
        image: ImageInput,
        *,
        marks: Sequence[MarkInput] = (),
        numbers: bool = False,
        zoom: bool = False,
        window: Sequence[float] | None = None,
        mark_style: str = AUTO,
        template: str = DEFAULT_TEMPLATE,
        options: GenerationOptions = GREEDY,
    ) -> ImageChat:
        """Start a conversation about an image. Each question follows the earlier turns.

        Raises:
            InputError: The image or a mark cannot be used.
            UsageError: `window`, `mark_style`, `template` or `options` make no sense.

        """
        check_generation(template, options)
        if options.choices or options.fields:
            what = "choices" if options.choices else "fields"
            raise UsageError(f"a conversation has no {what}: remove them, or use Model.ask")
        reference = check_mark_style(mark_style, self.info)
        marked, notes = mark_image(image, marks, numbers=numbers, zoom=False, window=window)
        state = ChatState(marked, zoom)
        return ImageChat(self._engine, state, template, options, notes, reference)

    def _answers(
        self, numbered: Iterator[tuple[int, BatchRow]], size: int, settings: _BatchSettings
    ) -> Iterator[Response]:
        for chunk in _chunks(numbered, size):
            yield from self._answer([self._plan(row, number, settings) for number, row in chunk])

    def _plan(self, row: BatchRow, number: int, settings: _BatchSettings) -> _PlannedRow:
        """Prepare a row up to its prompt, or note why that fails."""
        given_id = row.get("id") if isinstance(row, Mapping) else None
        id = str(number if given_id is None else given_id)
        try:
            has_fields = bool(settings.options.fields)
            check_row(row, number, _ROW_FIELDS, has_fields=has_fields)
            question = None if has_fields else check_question(row["question"])
            marked, notes = mark_image(
                row["image"],
                row.get("marks", ()),
                numbers=settings.numbers,
                zoom=settings.zoom,
                window=settings.window,
                reference=settings.reference,
            )
            options = with_choices(settings.options, row.get("choices", ()))
            text = typed_question(question, options, has_marks=bool(marked.marks))
            marked, numbers_notes = with_numbers(marked, [text])
            notes += numbers_notes
            names = name_marks(marked, settings.reference, has_fields=has_fields)
            prepared = prepare_question(text, marked.marks, names=names)
            view = self._engine.view(marked.for_model(is_padded=self.info.pads_image))
            prompts = make_prompts(self._engine, view, prepared.text, settings.template, options)
        except VipllavaError as error:  # one bad row does not stop the others
            return _PlannedRow(
                id, _failed_request(id, row, self.info, settings), settings.options, error
            )
        model = (self.info.name, self.info.revision)
        request = make_request(marked, prepared.text, model, settings.template, options)
        return _PlannedRow(id, replace(request, id=id), options, prompts, (*notes, *prepared.notes))

    def _answer(self, planned: Sequence[_PlannedRow]) -> Iterator[Response]:
        """Answer rows with equal options as one batch. Yields in the order of the rows."""
        groups: dict[GenerationOptions, list[int]] = {}
        for index, row in enumerate(planned):
            if isinstance(row.prompts, tuple):
                groups.setdefault(row.options, []).append(index)
        outcomes: dict[int, Answers | GenerationError] = {}
        for options, indices in groups.items():
            prompts = [
                row.prompts
                for index in indices
                if isinstance((row := planned[index]).prompts, tuple)
            ]
            answer = partial(answer_prompts, self._engine, options=options)
            parallel = self._engine.parallel
            outcomes |= zip(indices, answer_in_parallel(answer, prompts, parallel), strict=True)
        for index, row in enumerate(planned):
            outcome = row.prompts if isinstance(row.prompts, VipllavaError) else outcomes[index]
            if isinstance(outcome, tuple):
                record = make_answer_record(row.request, outcome, row.options, self.info)
            else:
                record = Record(row.request, error=failure(outcome))
            yield to_response(record, row.notes)


@dataclass(frozen=True)
class _BatchSettings:
    """Settings of all rows of a batch."""

    numbers: bool
    zoom: bool
    window: Window | None
    reference: Reference
    template: str
    options: GenerationOptions


@dataclass(frozen=True)
class _PlannedRow:
    """A row with its prompts, or with its error."""

    id: str
    request: Request
    options: GenerationOptions
    prompts: Prompts | VipllavaError
    notes: tuple[str, ...] = ()


def _chunks(
    rows: Iterator[tuple[int, BatchRow]], size: int
) -> Iterator[list[tuple[int, BatchRow]]]:
    """Yield rows, `size` at a time. If reading one raises, those before it come first."""
    error: Exception | None = None
    while error is None:
        chunk: list[tuple[int, BatchRow]] = []
        try:
            for row in islice(rows, size):
                chunk.append(row)
        except Exception as raised:  # of the caller's iterator
            error = raised
        if chunk:
            yield chunk
        if not error and len(chunk) < size:
            return
    raise error


def _failed_request(id: str, row: BatchRow, info: ModelInfo, settings: _BatchSettings) -> Request:
    """Make the request of a row whose image, marks or question cannot be used."""
    fields: Mapping[str, object] = row if isinstance(row, Mapping) else {}
    return Request(
        id=id,
        key="",
        image=record_name(image_name(fields.get("image", ""))),
        width=None,
        height=None,
        marks=(),
        numbers=settings.numbers,
        crop=None,
        question=str(fields.get("question", "")),
        model=info.name,
        revision=info.revision,
        template=settings.template,
        options=settings.options.to_json(),
        window=settings.window,
        mark_style=settings.reference.style.recorded,
    )
