"""The spine: a picture and marks -> a marked picture -> a prompt -> the model -> answers -> records."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict

from vipllava_cli.engine import GREEDY, Answer, Engine, GenerationOptions
from vipllava_cli.marked import MarkedPicture
from vipllava_cli.marks import Mark
from vipllava_cli.marks_text import mark_to_json
from vipllava_cli.pictures import fingerprint, square
from vipllava_cli.prompts import DEFAULT_TEMPLATE
from vipllava_cli.records import Record, stable_key


def ask(
    engine: Engine,
    marked: MarkedPicture,
    questions: Sequence[str],
    *,
    template: str = DEFAULT_TEMPLATE,
    options: GenerationOptions = GREEDY,
    on_text: Callable[[str], None] | None = None,
) -> Iterator[Record]:
    """One record for each question, as soon as it is answered. Raises what the engine raises."""
    picture = square(marked.drawn())
    answers = engine.answer(picture, questions, template=template, options=options, on_text=on_text)
    for question, answer in zip(questions, answers, strict=True):
        yield _record(engine, marked, question, answer, template, options)


def small_mark(engine: Engine, marked: MarkedPicture) -> Mark | None:
    """The first mark whose region is smaller than about one patch of what the model sees."""
    crop = marked.crop
    size = marked.picture.size if crop is None else (crop[2] - crop[0], crop[3] - crop[1])
    patch = engine.info.patch * max(size) / engine.info.view
    for mark in marked.marks:
        left, top, right, bottom = mark.bounds
        if mark.shape not in ("arrow", "point") and max(right - left, bottom - top) < patch:
            return mark
    return None


def _record(
    engine: Engine,
    marked: MarkedPicture,
    question: str,
    answer: Answer,
    template: str,
    options: GenerationOptions,
) -> Record:
    info = engine.info
    marks = tuple(mark_to_json(mark) for mark in marked.marks)
    key = stable_key(
        picture=fingerprint(marked.picture),
        marks=marks,
        numbers=marked.numbers,
        crop=marked.crop,
        question=question,
        model=info.name,
        revision=info.revision,
        template=template,
        options=asdict(options),
    )
    return Record(
        id=key,
        image=marked.source,
        width=marked.picture.width,
        height=marked.picture.height,
        marks=marks,
        numbers=marked.numbers,
        crop=marked.crop,
        question=question,
        answer=answer.text,
        finish_reason=answer.finish_reason,
        prompt_tokens=answer.prompt_tokens,
        answer_tokens=answer.answer_tokens,
        model=info.name,
        revision=info.revision,
        template=template,
        options=asdict(options),
        dtype=info.dtype,
        device=info.device,
        seconds=round(answer.seconds, 3),
    )
