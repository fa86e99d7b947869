"""`vipllava plan`: the placement of a model, the memory that it takes, and its speed."""

from typing import Annotated

import typer

from vipllava_cli.cli.command import command
from vipllava_cli.cli.completion import complete_models
from vipllava_cli.cli.options import MODEL_PANEL, Json, ModelOptions, OutputOptions
from vipllava_cli.errors import UsageError

SPEED_PANEL = "Speed of another machine"

MAX_LENGTH = 1_000_000_000  # tokens


@command
def plan(
    name: Annotated[
        str | None,
        typer.Argument(metavar="MODEL", help="Same as --model.", autocompletion=complete_models),
    ] = None,
    *,
    model: ModelOptions,
    length: Annotated[
        int | None,
        typer.Option(
            help="Length of prompt and answer, in tokens. (default: the image's tokens plus 512)",
            metavar="N",
            min=1,
            max=MAX_LENGTH,
            rich_help_panel=MODEL_PANEL,
        ),
    ] = None,
    bandwidth: Annotated[
        str | None,
        typer.Option(
            help="Memory bandwidths to use instead of measured ones, like 0=3350GB/s,cpu=50GB/s;"
            " also bus= and disk=.",
            metavar="SPEEDS",
            rich_help_panel=SPEED_PANEL,
        ),
    ] = None,
    tflops: Annotated[
        str | None,
        typer.Option(
            help="Computing speeds to use instead of measured ones, in TFLOP/s, like 0=400,cpu=1.5.",
            metavar="SPEEDS",
            rich_help_panel=SPEED_PANEL,
        ),
    ] = None,
    json: Json = False,
    output: OutputOptions,
    ctx: typer.Context,
) -> None:
    """Show how a model would be placed on your devices, with its memory and its speed.

    vipllava plan 7b --max-memory 0=8GiB,cpu=20GiB
    """
    from dataclasses import replace

    from vipllava_cli.cli.terminal.json_output import print_json
    from vipllava_cli.cli.terminal.models import table_console
    from vipllava_cli.cli.terminal.plan import plan_as_json, plan_table
    from vipllava_cli.engine.hardware.estimate import make_plan
    from vipllava_cli.engine.hardware.given_speeds import parse_speeds
    from vipllava_cli.engine.open import find_server
    from vipllava_cli.engine.options import DEFAULT_MODEL

    source = ctx.get_parameter_source("model")
    if name and model.model != name and source and source.name == "COMMANDLINE":
        raise UsageError(f"two models, {name} and --model {model.model}: give one of them")
    chosen = replace(model, model=name or model.model).chosen()
    messages = output.messages()
    if find_server(chosen.model or DEFAULT_MODEL):
        raise UsageError(
            f"{chosen.model} runs on a server, and a plan is for models on this machine: name one,"
            " like `vipllava plan 7b`"
        )
    given = parse_speeds(bandwidth, tflops)
    with messages.waiting("measuring this machine"):
        planned = make_plan(
            chosen.model or DEFAULT_MODEL,
            chosen.revision,
            replace(model.load_options(), length=length),
            given,
        )
    if json:
        print_json(plan_as_json(planned))
    else:
        table_console().print(plan_table(planned))
