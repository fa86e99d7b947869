"""`vipllava plan`: what would go where, how much memory it takes and how fast it would be."""

import json as jsons
import sys
from typing import Annotated

import typer

from vipllava_cli.cli.command import command
from vipllava_cli.cli.options import MODEL_PANEL, OUTPUT_PANEL, ModelOptions, OutputOptions


@command
def plan(
    name: Annotated[
        str | None, typer.Argument(metavar="MODEL", help="As with --model, which it stands for.")
    ] = None,
    *,
    model: ModelOptions,
    length: Annotated[
        int | None,
        typer.Option(
            help="Tokens of prompt and answer. (default: the image's and 512)",
            metavar="N",
            min=1,
            rich_help_panel=MODEL_PANEL,
        ),
    ] = None,
    json: Annotated[
        bool,
        typer.Option("--json", help="Print one JSON object.", rich_help_panel=OUTPUT_PANEL),
    ] = False,
    output: OutputOptions,
) -> None:
    """What of a model would go where and how fast it would be, before anything is fetched.

    vipllava plan 7b --max-memory 0=8GiB,cpu=20GiB
    """
    from dataclasses import replace

    from vipllava_cli.cli.terminal.models import table_console
    from vipllava_cli.cli.terminal.plan import plan_as_json, plan_table
    from vipllava_cli.engine.base import DEFAULT_MODEL
    from vipllava_cli.engine.hardware.estimate import make_plan

    chosen = replace(model, model=name or model.model).chosen()
    messages = output.messages()
    with messages.waiting("measuring this machine"):
        made = make_plan(
            chosen.model or DEFAULT_MODEL,
            chosen.revision,
            replace(model.load_options(), length=length),
        )
    if json:
        sys.stdout.write(jsons.dumps(plan_as_json(made), indent=2) + "\n")
    else:
        table_console().print(plan_table(made))
