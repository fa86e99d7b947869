"""`vipllava doctor`: check the machine and the model that a run would use."""

from vipllava_cli.cli.command import command
from vipllava_cli.cli.options import Json, ModelOptions, OutputOptions


@command
def doctor(*, model: ModelOptions, json: Json = False, output: OutputOptions) -> None:
    """Check this machine: versions, devices, memory, speed, and the model that runs by default.

    vipllava doctor
    """
    from vipllava_cli.cli.terminal.image import drawing_method
    from vipllava_cli.cli.terminal.json_output import print_json
    from vipllava_cli.cli.terminal.models import print_sections
    from vipllava_cli.engine.hardware.doctor import diagnose, diagnose_choice
    from vipllava_cli.engine.open import find_server
    from vipllava_cli.engine.options import DEFAULT_MODEL
    from vipllava_cli.engine.server.diagnosis import diagnose_servers
    from vipllava_cli.storage.settings import settings_file

    messages = output.messages()
    chosen = model.chosen()
    name = chosen.model or DEFAULT_MODEL
    with messages.waiting("checking this machine"):
        facts = diagnose()
        facts["terminal"] = {"images": drawing_method(), "settings": str(settings_file())}
        facts["chosen"] = {"model": f"{name}: {_reason(model)}"}
        if find_server(name) is None:
            facts["chosen"] |= diagnose_choice(name, chosen.revision, model.load_options())
    with messages.waiting("asking the servers"):
        facts |= diagnose_servers(name, messages.note)
    if json:
        print_json(facts)
    else:
        print_sections(facts)


def _reason(model: ModelOptions) -> str:
    """Name the place that chooses the model."""
    from vipllava_cli.storage.settings import read_settings, settings_file

    if model.model:
        return "--model or VIPLLAVA_MODEL"
    return str(settings_file()) if read_settings().model else "the default"
