"""`vipllava doctor`: what is here, and what would be chosen and why."""

import json as jsons
import sys
from typing import Annotated

import typer

from vipllava_cli.cli.command import command
from vipllava_cli.cli.options import OUTPUT_PANEL, ModelOptions, OutputOptions


@command
def doctor(
    *,
    model: ModelOptions,
    json: Annotated[
        bool,
        typer.Option("--json", help="Print one JSON object.", rich_help_panel=OUTPUT_PANEL),
    ] = False,
    output: OutputOptions,
) -> None:
    """Versions, devices, memory, speed, models; what would be chosen and why.

    vipllava doctor
    """
    from vipllava_cli.cli.terminal.image import drawing_method
    from vipllava_cli.cli.terminal.models import print_sections
    from vipllava_cli.engine.base import DEFAULT_MODEL
    from vipllava_cli.engine.hardware.doctor import diagnose, diagnose_choice
    from vipllava_cli.storage.settings import read_settings, settings_file

    messages = output.messages()
    chosen = model.chosen()
    why = "nobody chose another"
    if model.model:
        why = "--model or VIPLLAVA_MODEL"
    elif read_settings().model:
        why = str(settings_file())
    with messages.waiting("looking at this machine"):
        found = diagnose()
        found["terminal"] = {"images": drawing_method(), "settings": str(settings_file())}
        found["chosen"] = {"model": f"{chosen.model or DEFAULT_MODEL}: {why}"} | diagnose_choice(
            chosen.model or DEFAULT_MODEL, chosen.revision, model.load_options()
        )
    if json:
        sys.stdout.write(jsons.dumps(found, indent=2) + "\n")
    else:
        print_sections(found)
