"""`vipllava eval`: run a benchmark and score it. One function for each benchmark of the registry."""

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from vipllava_cli.cli.benchmark_options import (
    ChoiceOptions,
    ClipartOptions,
    EvalOptions,
    JudgeOptions,
    RowOptions,
    VipBenchOptions,
)
from vipllava_cli.cli.command import command
from vipllava_cli.cli.options import Json, ModelOptions, OutputOptions
from vipllava_cli.cli.server_options import ParallelServerFlags
from vipllava_cli.errors import ExitCode

if TYPE_CHECKING:
    from vipllava_cli.cli.terminal.messages import Messages
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
    return _run("clipart", scenes, (model, server), output.messages(), json=json)


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
    return _run("clipart", scenes, (model, server), messages, json=json)


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
    return _run("visual7w", rows, (model, server), output.messages(), json=json)


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
    return _run("pointqa", rows, (model, server), output.messages(), json=json)


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
    return _run("vcr", rows, (model, server), output.messages(), json=json)


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
            messages.note(
                f"{unknown} of the predictions do not belong to a question of {questions.data}"
            )
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
    name: str, options: EvalOptions, model: ChosenModel, messages: "Messages", *, json: bool
) -> ExitCode:
    """Answer and score a benchmark, and print the scores."""
    from vipllava_cli.flows.evals.run import score_results
    from vipllava_cli.storage.temporary_folder import temporary_folder

    with ExitStack() as stack:
        folder = options.out or Path(stack.enter_context(temporary_folder()))
        evaluation = _answer(name, options, folder, model, messages)
        evaluation.csv_safe = options.csv_safe
        score_results(evaluation)
    return _print_scores(evaluation, json=json)


def _answer(
    name: str, options: EvalOptions, folder: Path, model: ChosenModel, messages: "Messages"
) -> "Evaluation":
    from vipllava_cli.cli.model_loading import chosen_template, identify_model, open_model
    from vipllava_cli.cli.terminal.progress import watch_progress
    from vipllava_cli.flows.evals.registry import BENCHMARKS
    from vipllava_cli.flows.evals.run import EvalModel, answer_samples

    opener = partial(open_model, model[0], messages, model[1])
    template = chosen_template(options.template.value, model[0])
    chosen = EvalModel(*identify_model(model[0]), opener, template)
    with watch_progress(messages, None) as listener:
        return answer_samples(
            BENCHMARKS[name], options.dataset(), folder, chosen, listener, force=options.force
        )


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
