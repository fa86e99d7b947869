"""`vipllava models`: which models there are, which are here, and which one answers."""

import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from vipllava_cli.cli.command import command
from vipllava_cli.cli.options import OutputOptions
from vipllava_cli.errors import ModelError, UsageError

if TYPE_CHECKING:
    from vipllava_cli.cli.terminal.messages import Messages
    from vipllava_cli.engine.hub.checkpoints import HubName

ASKED_FROM = 1_000_000_000  # bytes: what is larger is not fetched without a word from the user

Name = Annotated[str, typer.Argument(help="tiny, 7b, 13b, a hub name or a folder.")]
Revision = Annotated[
    str | None, typer.Option("--revision", metavar="REV", help="The hub's branch, tag or commit.")
]
Yes = Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")]


@command
def list_models(*, output: OutputOptions) -> None:
    """The models that have a name or are on this machine.

    vipllava models list
    """
    from vipllava_cli.cli.terminal.models import print_models
    from vipllava_cli.engine.hub.catalog import known_models
    from vipllava_cli.storage.settings import read_settings

    chosen = os.environ.get("VIPLLAVA_MODEL") or read_settings().model
    print_models(known_models(), chosen)


@command
def pull(name: Name, revision: Revision = None, yes: Yes = False, *, output: OutputOptions) -> None:
    """Fetch a model from the hub, or the rest of it; whatever is here is checked.

    vipllava models pull 7b
    """
    from vipllava_cli.cli.terminal.models import watch_download
    from vipllava_cli.engine.hub import download
    from vipllava_cli.engine.hub.checkpoints import find_checkpoint
    from vipllava_cli.storage.sizes import decimal_size

    messages = output.messages()
    hub = _on_a_hub(name, revision)
    with messages.waiting("asking the hub"):
        remote = download.look_up(name, hub)
    with messages.waiting("checking what is here"):
        damaged = download.delete_damaged_files(remote)
    for file in damaged:
        messages.note(f"{file} was damaged on this machine: it is fetched again")
    download.check_disk_space(remote)
    if remote.missing_size > ASKED_FROM and not yes:
        _confirm(f"fetch {decimal_size(remote.missing_size)} of {hub.repository}?", messages)
    with watch_download(messages, f"fetching {name}", remote.size) as advance:
        download.fetch(name, remote, advance)
    found = find_checkpoint(name, revision)
    messages.say(
        f"{name} is whole: {decimal_size(remote.size)} in {found.folder}; `vipllava models use"
        f" {name}` makes it answer"
    )


@command
def use(name: Name, revision: Revision = None, *, output: OutputOptions) -> None:
    """Let a model answer whenever no flag and no variable names one.

    vipllava models use 7b
    """
    from vipllava_cli.engine.hub.checkpoints import find_checkpoint, hub_name
    from vipllava_cli.storage.settings import UserSettings, settings_file, write_settings

    messages = output.messages()
    hub = hub_name(name, revision)
    is_folder = hub is None and os.path.isdir(name)
    write_settings(UserSettings(os.path.abspath(name) if is_folder else name, revision))
    messages.say(f"{name} answers from now on ({settings_file()})")
    if os.environ.get("VIPLLAVA_MODEL"):
        messages.note(f"VIPLLAVA_MODEL is set and goes before: {os.environ['VIPLLAVA_MODEL']}")
    try:
        find_checkpoint(name, revision)
    except ModelError as error:
        messages.note(str(error))


@command
def info(name: Name, revision: Revision = None, *, output: OutputOptions) -> None:
    """What a model is and where it lies.

    vipllava models info 7b
    """
    from vipllava_cli.cli.terminal.models import print_facts
    from vipllava_cli.engine.hub.catalog import model_facts

    print_facts(model_facts(name, revision))


@command
def remove(name: Name, yes: Yes = False, *, output: OutputOptions) -> None:
    """Delete a model that was fetched, every revision of it.

    vipllava models remove 7b
    """
    from vipllava_cli.engine.hub.cache import (
        cached_size,
        has_cached_files,
        remove_repository,
        repository_folder,
    )
    from vipllava_cli.storage.settings import read_settings, write_settings
    from vipllava_cli.storage.sizes import decimal_size

    messages = output.messages()
    hub = _on_a_hub(name, None)
    if not has_cached_files(hub.repository):
        raise ModelError(f"nothing of {hub.repository} is on this machine: nothing was removed")
    size = cached_size(hub.repository)
    if not yes:
        where = repository_folder(hub.repository)
        _confirm(f"delete {decimal_size(size)} in {where}?", messages)
    remove_repository(hub.repository)
    messages.say(f"removed {hub.repository}, {decimal_size(size)}")
    settings = read_settings()
    if settings.model in {name, hub.repository}:
        write_settings(replace(settings, model=None, revision=None))
        messages.note(f"{name} was the model that answers: `vipllava models use` chooses another")


def _on_a_hub(name: str, revision: str | None) -> "HubName":
    from vipllava_cli.engine.hub.checkpoints import hub_name

    hub = hub_name(name, revision)
    if hub is None:
        where = "is a folder" if os.path.isdir(name) else "is part of this package"
        raise UsageError(f"{name} {where}: only what is on the hub can be fetched and removed")
    return hub


def _confirm(question: str, messages: "Messages") -> None:
    """Raises UsageError when nobody is there to ask or the answer is no."""
    if not (sys.stdin.isatty() and messages.console.is_terminal):
        raise UsageError(f"{question.rstrip('?')} needs a yes: say --yes")
    messages.console.print(f"{question} [y/N] ", end="", markup=False)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise UsageError("nothing was done: the answer was not y")
