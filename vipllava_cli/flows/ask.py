"""The spine: an image with marks -> prompts -> answers -> records."""

from collections.abc import Callable, Iterator, Sequence

from vipllava_cli.engine.base import Engine
from vipllava_cli.engine.options import DEFAULT_TEMPLATE, GREEDY, GenerationOptions
from vipllava_cli.flows.requests import make_record, make_request
from vipllava_cli.images.square import pad_to_square
from vipllava_cli.marks.marked_image import MarkedImage
from vipllava_cli.storage.records import Record


def ask(
    engine: Engine,
    marked_image: MarkedImage,
    questions: Sequence[str],
    *,
    template: str = DEFAULT_TEMPLATE,
    options: GenerationOptions = GREEDY,
    on_text: Callable[[str], None] | None = None,
) -> Iterator[Record]:
    """Answer questions about one image. Yields each record as soon as it is complete.

    `on_text` receives the pieces of an answer during generation. Raises the errors of the engine.
    """
    view = engine.view(pad_to_square(marked_image.drawn()))
    prompts = [engine.prompt(view, question, template) for question in questions]
    info = engine.info
    answers = engine.answer(prompts, options, on_text)
    for question, answer in zip(questions, answers, strict=True):
        model = (info.name, info.revision)
        request = make_request(marked_image, question, model, template, options)
        yield make_record(request, answer, info)
