"""`vipllava eval`: run a benchmark and score it. One function for each benchmark of the registry."""

from contextlib import ExitStack
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from vipllava_cli.cli.benchmark_options import (
    ChoiceOptions,
    ClipartOptions,
    EvalMarkStyle,
    EvalOptions,
    JudgeOptions,
    RowOptions,
    VipBenchOptions,
    VpBenchOptions,
)
from vipllava_cli.cli.command import command
from vipllava_cli.cli.options import Json, ModelOptions, OutputOptions
from vipllava_cli.cli.server_options import ParallelServerFlags
from vipllava_cli.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from vipllava_cli.cli.terminal.messages import Messages
    from vipllava_cli.engine.base import Engine
    from vipllava_cli.engine.prompts.references import Reference
    from vipllava_cli.flows.evals.run import Evaluation

ChosenModel = tuple[ModelOptions, ParallelServerFlags]


@command
def clipart(
    *,
    scenes: ClipartOptions,
    model: ModelOptions,
    server: ParallelServerFlags,
    json: Json = False,
    output: OutputOptions,
) -> ExitCode:
    """Clip-art scenes, held out from training: answer questions about every mark.

    vipllava eval clipart --n 500
    """
    return _run(
        "clipart", scenes, (model, server), output.messages(), json=json, style=scenes.mark_style
    )


@command
def demo(
    *,
    scenes: ClipartOptions,
    model: ModelOptions,
    server: ParallelServerFlags,
    json: Json = False,
    output: OutputOptions,
) -> ExitCode:
    """Run `eval clipart` by its name in version 0.1.0."""
    messages = output.messages()
    messages.warning("`eval demo` is now `eval clipart`: use the new name")
    return _run("clipart", scenes, (model, server), messages, json=json, style=scenes.mark_style)


@command
def vp_bench(
    *,
    rows: VpBenchOptions,
    model: ModelOptions,
    server: ParallelServerFlags,
    json: Json = False,
    output: OutputOptions,
) -> ExitCode:
    """VP-Bench: choose an answer about marks in eight shapes.

    vipllava eval vp-bench --data vp_bench_stage_1.parquet --out vp-7b/ --model 7b
    """
    return _run(
        "vp-bench", rows, (model, server), output.messages(), json=json, style=rows.mark_style
    )


@command
def visual7w(
    *,
    rows: ChoiceOptions,
    model: ModelOptions,
    server: ParallelServerFlags,
    json: Json = False,
    output: OutputOptions,
) -> ExitCode:
    """Visual7W, pointing: choose which of four boxes answers the question.

    vipllava eval visual7w --data v7w/ --out v7w-7b/ --model 7b
    """
    return _run(
        "visual7w", rows, (model, server), output.messages(), json=json, style=rows.mark_style
    )


@command
def pointqa(
    *,
    rows: RowOptions,
    model: ModelOptions,
    server: ParallelServerFlags,
    json: Json = False,
    output: OutputOptions,
) -> ExitCode:
    """PointQA-LookTwice: answer a question about all objects like the one in the box.

    vipllava eval pointqa --data pointqa/ --out pointqa-7b/ --model 7b
    """
    return _run(
        "pointqa", rows, (model, server), output.messages(), json=json, style=rows.mark_style
    )


@command
def vcr(
    *,
    rows: ChoiceOptions,
    model: ModelOptions,
    server: ParallelServerFlags,
    json: Json = False,
    output: OutputOptions,
) -> ExitCode:
    """VCR: choose an answer about persons and objects at points, and its rationale.

    vipllava eval vcr --data vcr/ --out vcr-7b/ --model 7b
    """
    return _run("vcr", rows, (model, server), output.messages(), json=json, style=rows.mark_style)


@command
def vip_bench(
    *,
    questions: VipBenchOptions,
    judging: JudgeOptions,
    model: ModelOptions,
    server: ParallelServerFlags,
    json: Json = False,
    output: OutputOptions,
) -> ExitCode:
    """ViP-Bench: answer freely about marks in images; a judge grades the answers.

    vipllava eval vip-bench --data ViP-Bench/ --out vip-7b/ --model 7b --judge exact
    """
    from vipllava_cli.cli.terminal.progress import count_progress
    from vipllava_cli.flows.evals.registry import BENCHMARKS
    from vipllava_cli.flows.evals.run import (
        GRADES,
        grade_results,
        load_predictions,
        save_predictions,
    )

    messages, judge = output.messages(), judging.select()
    if questions.predictions is None:
        evaluation = _answer("vip-bench", questions, questions.out, (model, server), messages)
        messages.say(f"wrote {save_predictions(evaluation)}, {len(evaluation.results)} answers")
    else:
        evaluation, unknown = load_predictions(
            BENCHMARKS["vip-bench"], questions.dataset(), questions.out, questions.predictions
        )
        if unknown:
            messages.note(f"predictions without a question in {questions.data}: {unknown}")
    evaluation.csv_safe = questions.csv_safe
    if judge is None:
        messages.note(
            "nothing is graded: choose a judge with --judge-model and --judge-url, or --judge exact"
            " to look for words; --predictions FILE grades the stored answers"
        )
        return _exit_code(evaluation)
    with count_progress(messages, "graded") as on_progress:
        grade_results(evaluation, judge, on_progress, messages.note)
    if evaluation.ungraded:
        messages.warning(
            f"{evaluation.ungraded} of {len(evaluation.results)} answers could not be graded and do"
            f" not count in the scores: {questions.out / GRADES} says why, and the same command tries"
            " them again"
        )
    return _print_scores(evaluation, json=json)


def _run(
    name: str,
    options: EvalOptions,
    model: ChosenModel,
    messages: "Messages",
    *,
    json: bool,
    style: EvalMarkStyle = EvalMarkStyle.auto,
) -> ExitCode:
    """Answer and score a benchmark, and print the scores."""
    from vipllava_cli.flows.evals.run import score_results
    from vipllava_cli.storage.temporary_folder import temporary_folder

    with ExitStack() as stack:
        folder = options.out or Path(stack.enter_context(temporary_folder()))
        if style is EvalMarkStyle.all:
            return _run_styles(name, options, folder, model, messages, json=json)
        evaluation = _answer(
            name, options, folder, model, messages, _reference(style.value, options, model[0])
        )
        evaluation.csv_safe = options.csv_safe
        score_results(evaluation)
    return _print_scores(evaluation, json=json)


def _run_styles(
    name: str,
    options: EvalOptions,
    folder: Path,
    model: ChosenModel,
    messages: "Messages",
    *,
    json: bool,
) -> ExitCode:
    """Answer and score the same rows in every mark style, and print one table."""
    from vipllava_cli.cli.eval_styles import evaluate_styles, print_style_scores
    from vipllava_cli.cli.model_loading import choose_mark_style, open_model
    from vipllava_cli.cli.terminal.json_output import print_json
    from vipllava_cli.flows.evals.style_scores import style_scores_to_json, styles_for

    has_coordinates = True
    try:
        choose_mark_style(EvalMarkStyle.coordinates.value, model[0])
    except UsageError as error:
        has_coordinates = False
        messages.note(f"without coordinates: {error}")
    styles = styles_for(has_coordinates=has_coordinates, by_text=options.dataset().by_text)
    references = {style: choose_mark_style(style.value, model[0]) for style in styles}
    opener = cache(partial(open_model, model[0], messages, model[1]))  # one model for all styles
    scores = evaluate_styles(
        references,
        folder,
        lambda reference, place: _answer(
            name, options, place, model, messages, reference, opener=opener
        ),
        messages,
        csv_safe=options.csv_safe,
    )
    if json:
        print_json(style_scores_to_json(scores))
    else:
        print_style_scores(scores)
    return max(map(_exit_code, scores.values()))


def _reference(style: str, options: EvalOptions, model: ModelOptions) -> "Reference":
    """Return how the questions refer to marks. Raises UsageError, ModelError."""
    from vipllava_cli.cli.model_loading import choose_mark_style
    from vipllava_cli.flows.evals.style_scores import check_options_named

    reference = choose_mark_style(style, model)
    check_options_named(reference.style, by_text=options.dataset().by_text)
    return reference


def _answer(
    name: str,
    options: EvalOptions,
    folder: Path,
    model: ChosenModel,
    messages: "Messages",
    reference: "Reference | None" = None,
    *,
    opener: "Callable[[], Engine] | None" = None,
) -> "Evaluation":
    from vipllava_cli.cli.model_loading import chosen_template, identify_model, open_model
    from vipllava_cli.cli.terminal.progress import watch_progress
    from vipllava_cli.cli.terminal.summary import failure_lines
    from vipllava_cli.engine.prompts.references import DRAWN
    from vipllava_cli.flows.evals.registry import BENCHMARKS
    from vipllava_cli.flows.evals.run import EvalModel, answer_samples
    from vipllava_cli.storage.record_file import RECORDS_NAME

    opener = opener or partial(open_model, model[0], messages, model[1])
    template = chosen_template(options.template.value, model[0])
    chosen = EvalModel(*identify_model(model[0]), opener, template, reference or DRAWN)
    with watch_progress(messages, None) as listener:
        evaluation = answer_samples(
            BENCHMARKS[name], options.dataset(), folder, chosen, listener, force=options.force
        )
    for line in failure_lines(evaluation.summary, str(folder / RECORDS_NAME)):
        messages.say(line)
    return evaluation


def _print_scores(evaluation: "Evaluation", *, json: bool) -> ExitCode:
    from vipllava_cli.cli.terminal.json_output import print_json
    from vipllava_cli.cli.terminal.scores import print_scores
    from vipllava_cli.flows.evals.output_files import scores_to_json

    if json:
        print_json(scores_to_json(evaluation.metrics, evaluation.facts))
    else:
        print_scores(evaluation.metrics, evaluation.benchmark)
    return _exit_code(evaluation)


def _exit_code(evaluation: "Evaluation") -> ExitCode:
    is_complete = not (evaluation.failed or evaluation.ungraded)
    return ExitCode.DONE if is_complete else ExitCode.SOME_ROWS_FAILED
