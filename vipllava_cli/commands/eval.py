"""`vipllava eval`: benchmarks, run as a batch and scored."""

import json as jsons
import sys
import tempfile
from contextlib import ExitStack
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from vipllava_cli.commands.command import command
from vipllava_cli.commands.flags import ModelFlags, OutputFlags
from vipllava_cli.errors import ExitCode


class Journey(StrEnum):
    """What the pictures go through first; kept here so that `--help` draws no scene."""

    none = "none"
    jpeg = "jpeg"
    half = "half"
    double = "double"
    wide = "wide"


@command
def demo(
    n: Annotated[int, typer.Option("--n", metavar="N", min=1, help="How many scenes.")] = 200,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Which scenes.")] = 0,
    journey: Annotated[
        Journey,
        typer.Option(
            help="What pictures go through first: JPEG at quality 60, half or double size, a canvas"
            " wider by a third."
        ),
    ] = Journey.none,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            metavar="DIR",
            help="Keep pictures and records here, and go on from them.",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
    *,
    model: ModelFlags,
    output: OutputFlags,
) -> ExitCode:
    """How often the model is right about clip-art scenes that no training has seen.

    vipllava eval demo --n 500
    """
    from vipllava_cli.batch import Run
    from vipllava_cli.commands.opening import name_model, open_model
    from vipllava_cli.evals import demo as benchmark
    from vipllava_cli.evals.examples import Asked, as_json, share_out
    from vipllava_cli.files import make_folder
    from vipllava_cli.journal import open_journal, read_records
    from vipllava_cli.planning import Task
    from vipllava_cli.render.progress import watching
    from vipllava_cli.render.scores import score_tables
    from vipllava_cli.rows import Source

    messages = output.messages()
    with ExitStack() as stack:
        folder = out or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        make_folder(folder)
        asked = Asked(folder)
        source = Source(asked.rows(benchmark.pages(n, seed, journey.value)), "eval")
        task = Task(name_model(model))
        journal = stack.enter_context(open_journal(folder / "records.jsonl"))
        watch = stack.enter_context(watching(messages, None))
        summary = Run(source, task, journal, partial(open_model, model, messages), watch)()
        answered = list(asked.answered(read_records(journal.path)))
    shares = share_out(answered, benchmark.score)
    shares["mark moved"] = {"followed to both things": benchmark.obedience(answered)}
    if json:
        figures = {
            "n": n,
            "seed": seed,
            "journey": journey.value,
            "model": task.model[0],
            "revision": task.model[1],
            "shares": as_json(shares),
        }
        sys.stdout.write(jsons.dumps(figures, indent=2) + "\n")
    else:
        score_tables(shares)
    return ExitCode.SOME_ROWS_FAILED if summary.failed else ExitCode.DONE
