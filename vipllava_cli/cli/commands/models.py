"""`vipllava models`: list, add, download, choose, describe and remove models."""

import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vipllava_cli.cli.command import command
from vipllava_cli.cli.completion import (
    complete_downloaded_models,
    complete_hub_models,
    complete_models,
)
from vipllava_cli.cli.options import MODEL_VARIABLE, Json, OutputOptions, Revision
from vipllava_cli.errors import ModelError, UsageError

if TYPE_CHECKING:
    from vipllava_cli.cli.terminal.messages import Messages
    from vipllava_cli.engine.hub.checkpoints import HubName

_LIST_DOWNLOADED = "`vipllava models list` lists the downloaded models"
CONFIRM_BYTES = 1_000_000_000  # a larger download needs confirmation

Name = Annotated[
    str,
    typer.Argument(
        help="tiny, 7b, 13b, a Hugging Face name, a local folder or a name of `models add`.",
        autocompletion=complete_models,
    ),
]


def _name(help: str, complete: Callable[..., list[tuple[str, str]]]) -> Any:
    return typer.Argument(help=help, autocompletion=complete)


RemoteName = Annotated[str, _name("7b, 13b or a Hugging Face name.", complete_hub_models)]
StoredName = Annotated[
    str,
    _name("7b, 13b, a Hugging Face name or a name of `models add`.", complete_downloaded_models),
]
Yes = Annotated[bool, typer.Option("-y", "--yes", help="Do not ask for confirmation.")]


@command
def list_models(*, json: Json = False, output: OutputOptions) -> None:
    """List the named models and the models on this machine.

    vipllava models list
    """
    from vipllava_cli.cli.terminal.json_output import print_json
    from vipllava_cli.cli.terminal.models import model_to_json, print_models
    from vipllava_cli.cli.terminal.servers import print_servers, server_to_json
    from vipllava_cli.engine.hub.catalog import known_models
    from vipllava_cli.engine.hub.names import canonical_name
    from vipllava_cli.engine.options import DEFAULT_MODEL
    from vipllava_cli.engine.server.config import server_models
    from vipllava_cli.storage.settings import read_settings

    named = os.environ.get(MODEL_VARIABLE) or read_settings().model or DEFAULT_MODEL
    chosen = canonical_name(named)
    models, servers = list(known_models()), list(server_models().values())
    if json:
        rows = [model_to_json(model, chosen) for model in models]
        print_json([*rows, *(server_to_json(server, named) for server in servers)])
    else:
        print_models(models, chosen)
        print_servers(servers, named)


@command
def add(
    name: Annotated[str, typer.Argument(help="The name for --model.")],
    *,
    url: Annotated[
        str,
        typer.Option(help="Address of the server, which often ends in /v1.", metavar="URL"),
    ],
    model: Annotated[str, typer.Option(help="The model's name on the server.", metavar="MODEL")],
    key_env: Annotated[
        str | None,
        typer.Option(
            help="Environment variable that holds the key. (default: VIPLLAVA_KEY_NAME)",
            metavar="VARIABLE",
        ),
    ] = None,
    prices: Annotated[
        str | None,
        typer.Option(
            help="Prices of a million tokens, of the prompt and of the answer, to count the cost.",
            metavar="PROMPT,ANSWER",
        ),
    ] = None,
    output: OutputOptions,
) -> None:
    """Name a model on a server that speaks OpenAI's protocol, such as Ollama or vLLM.

    vipllava models add qwen --url http://localhost:11434/v1 --model qwen3-vl
    """
    from vipllava_cli.cli.server_settings import add_server

    add_server(name, url, model, key_env, prices, output.messages())


@command
def pull(
    name: RemoteName, revision: Revision = None, yes: Yes = False, *, output: OutputOptions
) -> None:
    """Download the missing or damaged files of a model.

    vipllava models pull 7b
    """
    from vipllava_cli.cli.terminal.models import watch_download
    from vipllava_cli.engine.hub import download
    from vipllava_cli.engine.hub.checkpoints import find_checkpoint
    from vipllava_cli.engine.hub.names import canonical_name
    from vipllava_cli.engine.open import find_server
    from vipllava_cli.storage.sizes import decimal_size

    messages = output.messages()
    if find_server(name) is not None:
        raise UsageError(
            f"{name} runs on a server: it needs no download, use it with --model {name}"
        )
    name = canonical_name(name)
    advice = f"it needs no download, `vipllava models use {shlex.quote(name)}` makes it the default"
    hub = _hub_name(name, revision, advice)
    with messages.waiting("looking up the model on the hub"):
        remote = download.look_up(name, hub, messages.note)
    with messages.waiting("checking the files on this machine"):
        damaged = download.delete_damaged_files(remote)
    for file in damaged:
        messages.note(f"{file} was damaged: downloading it again")
    download.check_disk_space(remote)
    if remote.missing_size > CONFIRM_BYTES and not yes:
        _confirm(f"download {decimal_size(remote.missing_size)} of {hub.repository}?", messages)
    with watch_download(messages, f"downloading {name}", remote.size) as advance:
        download.fetch(name, remote, advance, messages.note)
    checkpoint = find_checkpoint(name, revision)
    option = f" --revision {revision}" if revision else ""
    messages.say(
        f"{name} is complete: {decimal_size(remote.size)} in {checkpoint.folder}; set it as the"
        f" default with `vipllava models use {name}{option}`"
    )


@command
def use(name: Name, revision: Revision = None, *, output: OutputOptions) -> None:
    """Set the default model.

    vipllava models use 7b
    """
    from vipllava_cli.cli.default_model import set_default_model

    set_default_model(name, revision, output.messages())


@command
def info(
    name: Name, revision: Revision = None, *, json: Json = False, output: OutputOptions
) -> None:
    """Show a model's details and location.

    vipllava models info 7b
    """
    from vipllava_cli.cli.terminal.json_output import print_json
    from vipllava_cli.cli.terminal.models import print_facts
    from vipllava_cli.cli.terminal.servers import server_facts
    from vipllava_cli.engine.hub.catalog import model_facts
    from vipllava_cli.engine.open import find_server, refuse_revision

    server = find_server(name)
    if server is not None:
        refuse_revision(name, revision)
    facts = model_facts(name, revision) if server is None else server_facts(server)
    if json:
        print_json({key.replace(" ", "_"): value for key, value in facts.items()})
    else:
        print_facts(facts)


@command
def remove(name: StoredName, yes: Yes = False, *, output: OutputOptions) -> None:
    """Delete all revisions of a downloaded model, or forget a name of a model on a server.

    vipllava models remove 7b
    """
    from vipllava_cli.cli.server_settings import remove_server
    from vipllava_cli.engine.hub.cache import (
        cached_size,
        has_cached_files,
        remove_repository,
        repository_folder,
    )
    from vipllava_cli.engine.hub.names import canonical_name
    from vipllava_cli.storage.settings import read_settings, write_settings
    from vipllava_cli.storage.sizes import decimal_size

    messages = output.messages()
    if name in read_settings().servers:
        remove_server(name, messages)
        return
    name = canonical_name(name)
    hub = _hub_name(name, None, f"it is no download, {_LIST_DOWNLOADED}")
    if not has_cached_files(hub.repository):
        raise ModelError(f"{hub.repository} is not downloaded: {_LIST_DOWNLOADED}")
    size = cached_size(hub.repository)
    if not yes:
        folder = repository_folder(hub.repository)
        _confirm(f"delete {decimal_size(size)} in {folder}?", messages)
    remove_repository(hub.repository)
    messages.say(f"removed {hub.repository}, {decimal_size(size)}")
    settings = read_settings()
    if settings.model in {name, hub.repository}:
        write_settings(replace(settings, model=None, revision=None))
        messages.note(f"{name} was the default model: `vipllava models use` sets another")


def _hub_name(name: str, revision: str | None, advice: str) -> "HubName":
    """Return the name on the hub. Raises UsageError for a folder and for the shipped model."""
    from vipllava_cli.engine.hub.checkpoints import hub_name

    hub = hub_name(name, revision)
    if hub is None:
        where = "is a folder" if os.path.isdir(name) else "is part of this package"
        raise UsageError(f"{name} {where}: {advice}")
    return hub


def _confirm(question: str, messages: "Messages") -> None:
    """Ask the user. Raises UsageError if the answer is not yes or there is no terminal."""
    if not (sys.stdin.isatty() and messages.console.is_terminal):
        raise UsageError(f"{question.rstrip('?')} needs confirmation: add --yes")
    from vipllava_cli.cli.terminal.messages import one_line

    messages.console.print(f"{one_line(question)} [y/N] ", end="", markup=False)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise UsageError("cancelled: the answer was not y")
