"""A picture in the terminal: Sixel or Kitty's protocol where it can, half blocks elsewhere."""

import logging
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
    logging.getLogger("textual_image").addHandler(logging.NullHandler())
    from textual_image.renderable import Image as TerminalImage  # asks the terminal what it can do

    console = Console()
    # A cell is about twice as high as wide; the picture fits into both of the terminal's sides.
    scale = min(min(console.width, 80) / picture.width, 2 * console.height / picture.height)
    columns, rows = round(picture.width * scale), round(picture.height * scale / 2)
    console.print(TerminalImage(picture, width=max(columns, 1), height=max(rows, 1)))
