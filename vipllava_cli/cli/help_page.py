"""The end of every `--help`: the environment variables, and the address of the documentation."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import vipllava_cli

ENVIRONMENT_PANEL = "Environment variables"
ENVIRONMENT: Mapping[str, str] = {
    "VIPLLAVA_MODEL": "Default model; overrides `vipllava models use`.",
    "VIPLLAVA_HOME": "Folder of the settings and of the history.",
    "HF_HOME": "Folder of the Hugging Face cache, where models are stored.",
    "HF_ENDPOINT": "Address of a mirror of the Hugging Face Hub.",
    "HF_HUB_OFFLINE": "1 prevents every connection to the Hugging Face Hub.",
    "HF_TOKEN": "Token for private models on the Hugging Face Hub.",
    "OPENAI_BASE_URL": "Address of the server of `--model openai:MODEL`.",
    "OPENAI_API_KEY": "Key for `--model openai:MODEL`, and for the judge of `eval vip-bench`.",
    "VIPLLAVA_KEY_NAME": "Key for `--model NAME`, a name of `vipllava models add`; NAME in capitals.",
    "VISUAL, EDITOR": "Editor that Ctrl-G opens in a chat.",
    "NO_COLOR": "Any value turns off colours.",
}

# The page of each subcommand. The other subcommands are on the first page.
PAGES: Mapping[str, str] = {
    "ask": "ask.md",
    "annotate": "marks.md",
    "batch": "batch.md",
    "chat": "chat.md",
    "report": "batch.md",
    "compare": "batch.md",
    "export": "export.md",
    "eval": "evaluation.md",
    "models": "models.md",
    "models add": "servers.md",
    "plan": "models.md",
    "doctor": "models.md",
    "config": "models.md",
}
_FIRST_PAGE = "index.md"


def documentation_address(context: Any) -> str | None:
    """Return the address of the page about a subcommand, None if no pages are installed.

    The wheel contains the pages; a checkout has them beside the package.
    """
    package = Path(vipllava_cli.__file__).parent
    words = context.command_path.split()[1:]
    first = PAGES.get(words[0], _FIRST_PAGE) if words else _FIRST_PAGE
    name = PAGES.get(" ".join(words[:2]), first)
    for folder in (package / "docs", package.parent / "docs"):
        if (folder / name).is_file():
            return (folder / name).as_uri()
    return None


def print_help_end(context: Any) -> None:
    """Print the end of the help: the variables for the program, and the address for all."""
    from rich.text import Text
    from typer.rich_utils import _get_rich_console

    console = _get_rich_console()
    if context.parent is None:
        _print_environment(console)
    address = documentation_address(context)
    if address is not None:
        console.print(Text(f" Documentation: {address}"), soft_wrap=True)


def _print_environment(console: Any) -> None:
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text
    from typer import rich_utils

    table = Table.grid(padding=(0, 2))
    table.add_column(style=rich_utils.STYLE_OPTION, no_wrap=True)
    for name, help in ENVIRONMENT.items():
        table.add_row(Text(name), Text(help))
    console.print(
        Panel(
            table,
            title=ENVIRONMENT_PANEL,
            title_align=rich_utils.ALIGN_OPTIONS_PANEL,
            border_style=rich_utils.STYLE_OPTIONS_PANEL_BORDER,
        )
    )
