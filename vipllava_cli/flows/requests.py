"""Make the request of a question, with its key, and the record of its answer."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import Any

from vipllava_cli.engine.base import Answer, ModelInfo
from vipllava_cli.engine.options import GenerationOptions
from vipllava_cli.flows.pointing.record_marks import find_record_marks
from vipllava_cli.images.window import Window
from vipllava_cli.marks.json_marks import mark_to_json
from vipllava_cli.marks.marked_image import MarkedImage
from vipllava_cli.marks.reference_style import ReferenceStyle
from vipllava_cli.marks.types import Mark
from vipllava_cli.storage.records import Record, Request, stable_key

OPTIONAL_FIELDS = ("window", "mark_style")  # left out of a request, and of its key, without a value


def make_request(
    marked_image: MarkedImage,
    question: str,
    model: tuple[str, str],
    template: str,
    options: GenerationOptions,
    before: Sequence[tuple[str, str]] = (),
    *,
    id: str | None = None,
    extra: Mapping[str, Any] = MappingProxyType({}),
) -> Request:
    """Make a request. Its id is its key unless it has one.

    `model` is the model's name and revision. `before` holds the earlier questions and answers of a
    conversation. They are part of the key.
    """
    conditions = request_conditions(
        marked_image.marks,
        numbers=marked_image.numbers,
        crop=marked_image.crop,
        question=question,
        model=model,
        template=template,
        options=options,
        window=marked_image.file.window,
        style=marked_image.style,
    )
    history: dict[str, Any] = {"before": before} if before else {}
    file = marked_image.file
    # The keyword is `picture`, not `image`: it is hashed, and keys must equal those of version 0.1.0.
    key = stable_key(picture=file.fingerprint, **conditions, **history)
    width, height = file.size
    return Request(
        id=key if id is None else id,
        key=key,
        image=file.source,
        width=width,
        height=height,
        extra=dict(extra),
        **conditions,
    )


def request_conditions(
    marks: Sequence[Mark],
    *,
    numbers: bool,
    crop: tuple[int, int, int, int] | None,
    question: str,
    model: tuple[str, str],
    template: str,
    options: GenerationOptions,
    window: Window | None = None,
    style: ReferenceStyle = ReferenceStyle.drawn,
) -> dict[str, Any]:
    """Return the fields of a request that decide its answer, apart from the image.

    `window` is left out if there is none, and the style of drawn marks, too: keys must equal those
    of version 0.1.0.
    """
    name, revision = model
    return {
        **({} if style.recorded is None else {"mark_style": style.recorded}),
        **({} if window is None else {"window": window}),
        "marks": tuple(mark_to_json(mark) for mark in marks),
        "numbers": numbers,
        "crop": crop,
        "question": question,
        "model": name,
        "revision": revision,
        "template": template,
        "options": options.to_json(),
    }


def make_record(request: Request, answer: Answer, info: ModelInfo) -> Record:
    """Make the record of an answered request, with the marks that the answer points at."""
    found = find_record_marks(request, answer.text, info, answer.image_side)
    return Record(
        request,
        answer=answer.text,
        finish_reason=answer.finish_reason,
        prompt_tokens=answer.prompt_tokens,
        answer_tokens=answer.answer_tokens,
        dtype=info.dtype,
        device=info.device,
        seconds=round(answer.seconds, 3),
        choices=tuple(asdict(choice) for choice in answer.choices) or None,
        answer_marks=tuple(map(mark_to_json, found.marks)) or None,
        note=found.note,
    )
