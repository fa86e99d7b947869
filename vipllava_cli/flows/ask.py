"""The spine: an image with marks -> prompts -> answers -> records."""

from collections.abc import Callable, Iterator, Sequence

from vipllava_cli.engine.base import Engine
from vipllava_cli.engine.options import DEFAULT_TEMPLATE, GREEDY, GenerationOptions
from vipllava_cli.flows.answering import answer_prompts, make_answer_record, make_prompts
from vipllava_cli.flows.requests import make_record, make_request
from vipllava_cli.images.square import fit_to_model
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

    With fields in the options, a question holds those of all fields (`fields_question`). `on_text`
    receives the pieces of an answer during generation. Raises the errors of the engine.
    """
    info = engine.info
    template = info.template_for(template)
    view = engine.view(fit_to_model(marked_image.drawn(), is_padded=info.pads_image))
    model = (info.name, info.revision)
    requests = [
        make_request(marked_image, question, model, template, options) for question in questions
    ]
    prompts = [make_prompts(engine, view, each, template, options) for each in questions]
    if options.fields:
        for request, some in zip(requests, prompts, strict=True):
            [answers] = answer_prompts(engine, [some], options)
            yield make_answer_record(request, answers, options, info)
        return
    single = engine.answer([prompt for [prompt] in prompts], options, on_text)
    for request, answer in zip(requests, single, strict=True):
        yield make_record(request, answer, info)
