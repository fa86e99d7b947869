"""JSON on stdout: indented on a terminal, one line in a pipe."""

import json
import sys


def print_json(value: object) -> None:
    """Print a value as JSON. It is ASCII, so that no control character reaches a terminal."""
    indent = 2 if sys.stdout.isatty() else None
    text = json.dumps(value, indent=indent).replace("\x7f", "\\u007f")  # the one that is ASCII
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
