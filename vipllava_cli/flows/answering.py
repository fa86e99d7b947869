"""Requests -> prompts -> answers -> records. A request has one prompt, or one for each field."""

from collections.abc import Sequence
from dataclasses import replace

from vipllava_cli.engine.base import Answer, Engine, ModelInfo, ModelView, Prompt
from vipllava_cli.engine.options import GenerationOptions
from vipllava_cli.flows.fields.answers import combine_answers
from vipllava_cli.flows.fields.wording import split_question
from vipllava_cli.flows.requests import make_record
from vipllava_cli.storage.records import Record, Request

Prompts = tuple[Prompt, ...]
Answers = tuple[Answer, ...]


def make_prompts(
    engine: Engine, view: ModelView, question: str, template: str, options: GenerationOptions
) -> Prompts:
    """Make the prompts of a request's question. Raises UsageError if one is too long."""
    questions = split_question(question) if options.fields else [question]
    return tuple(engine.prompt(view, each, template) for each in questions)


def answer_prompts(
    engine: Engine, requests: Sequence[Prompts], options: GenerationOptions
) -> list[Answers]:
    """Answer the prompts of several requests with equal options as one batch.

    Raises the errors of `Engine.answer_batch`.
    """
    prompts = [prompt for some in requests for prompt in some]
    if not options.fields:
        return [(answer,) for answer in engine.answer_batch(prompts, options)]
    each = [options.for_field(field) for field in options.fields]
    answers = iter(engine.answer_each(prompts, each * len(requests)))
    return [tuple(next(answers) for _ in some) for some in requests]


def make_answer_record(
    request: Request, answers: Answers, options: GenerationOptions, info: ModelInfo
) -> Record:
    """Make the record of an answered request."""
    if not options.fields:
        [answer] = answers
        return make_record(request, answer, info)
    combined = combine_answers(options.fields, answers)
    record = make_record(request, combined.answer, info)
    return replace(record, fields=combined.values, field_probabilities=combined.probabilities)
