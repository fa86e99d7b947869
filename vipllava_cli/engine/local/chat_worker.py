"""Render chat templates of a checkpoint: a process that receives and sends a JSON object a line.

A template is a program. Jinja's sandbox (3.1.6) keeps it from files and the network, but not from loops
of hours and texts of gigabytes. This process has limits, and ends with its parent.
"""

import json
import resource
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

MAX_MEMORY = 512 << 20  # bytes that a template may take beyond what the imports took
MAX_TEXT = 1 << 20  # characters


def _limit_memory() -> None:
    """Limit the address space; systems without /proc have no such limit."""
    with suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + MAX_MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def main() -> None:
    """Say that it is ready. Then answer every line of stdin: with the text, or why there is none."""
    from transformers.utils.chat_template_utils import render_jinja_template

    _limit_memory()
    _send({"ready": True})
    for line in sys.stdin:
        try:
            [text], _ = render_jinja_template(**json.loads(line))
            if len(text) > MAX_TEXT:
                raise ValueError(f"the text has {len(text)} characters: expected {MAX_TEXT}")
            reply: dict[str, str] = {"text": text}
        except MemoryError:
            reply = {"error": "it takes too much memory"}
        except Exception as error:  # a template can raise anything
            reply = {"error": " ".join(str(error).split())[:300] or type(error).__name__}
        _send(reply)


def _send(reply: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(reply) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
