"""The spine: an image and marks -> a marked image -> a prompt -> the model -> answers -> records."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from vipllava_cli.engine.base import GREEDY, Answer, Engine, GenerationOptions, ModelInfo
from vipllava_cli.engine.prompts.templates import DEFAULT_TEMPLATE
from vipllava_cli.images.square import pad_to_square
from vipllava_cli.marks.json_marks import mark_to_json
from vipllava_cli.marks.marked_image import MarkedImage
from vipllava_cli.marks.types import Mark
from vipllava_cli.storage.records import Record, Request, stable_key


def ask(
    engine: Engine,
    marked: MarkedImage,
    questions: Sequence[str],
    *,
    template: str = DEFAULT_TEMPLATE,
    options: GenerationOptions = GREEDY,
    on_text: Callable[[str], None] | None = None,
) -> Iterator[Record]:
    """One record for each question, as soon as it is answered. Raises what the engine raises."""
    view = engine.view(pad_to_square(marked.drawn()))
    prompts = [engine.prompt(view, question, template) for question in questions]
    info = engine.info
    for question, answer in zip(questions, engine.answer(prompts, options, on_text), strict=True):
        asked = make_request(marked, question, (info.name, info.revision), template, options)
        yield make_record(asked, answer, info)


def find_small_mark(engine: Engine, marked: MarkedImage) -> Mark | None:
    """The first mark whose region is smaller than about one patch of what the model sees."""
    crop = marked.crop
    size = marked.file.size if crop is None else (crop[2] - crop[0], crop[3] - crop[1])
    patch = engine.info.patch_size * max(size) / engine.info.image_side
    for mark in marked.marks:
        left, top, right, bottom = mark.bounds
        if mark.shape not in ("arrow", "point") and max(right - left, bottom - top) < patch:
            return mark
    return None


def make_request(
    marked: MarkedImage,
    question: str,
    model: tuple[str, str],
    template: str,
    options: GenerationOptions,
    before: Sequence[tuple[str, str]] = (),
) -> Request:
    """The question with its key; `model` is the model's name and revision. `before` holds the questions
    and answers that the model had in mind: they count for the key.
    """
    name, revision = model
    decides: dict[str, Any] = {
        "marks": tuple(mark_to_json(mark) for mark in marked.marks),
        "numbers": marked.numbers,
        "crop": marked.crop,
        "question": question,
        "model": name,
        "revision": revision,
        "template": template,
        "options": options.to_json(),
    }
    said: dict[str, Any] = {"before": before} if before else {}
    key = stable_key(picture=marked.file.fingerprint, **decides, **said)
    width, height = marked.file.size
    return Request(id=key, key=key, image=marked.file.source, width=width, height=height, **decides)


def make_record(asked: Request, answer: Answer, info: ModelInfo) -> Record:
    """The record of a question that was answered."""
    return Record(
        asked,
        answer=answer.text,
        finish_reason=answer.finish_reason,
        prompt_tokens=answer.prompt_tokens,
        answer_tokens=answer.answer_tokens,
        dtype=info.dtype,
        device=info.device,
        seconds=round(answer.seconds, 3),
        choices=tuple(asdict(choice) for choice in answer.choices) or None,
    )
