"""A picture in the terminal: Sixel or Kitty's protocol where it can, half blocks elsewhere."""

import os
import sys

from PIL import Image
from rich.console import Console

from vipllava_cli.errors import UsageError


def show(picture: Image.Image) -> None:
    """Draw the picture on stdout, no wider than the terminal. Raises UsageError without one."""
    if not sys.stdout.isatty() or not all(os.get_terminal_size(sys.stdout.fileno())):
        raise UsageError(
            "--show draws on a terminal, and stdout is none that says its size: write a file with -o"
        )
    from textual_image.renderable import Image as TerminalImage  # asks the terminal what it can do

    console = Console()
    columns = min(console.width, 80)
    console.print(TerminalImage(picture, width=columns, height="auto"))
