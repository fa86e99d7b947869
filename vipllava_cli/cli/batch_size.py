"""Parse the option `--batch-size`."""

from typing import TYPE_CHECKING

from vipllava_cli.cli.options import ModelOptions
from vipllava_cli.errors import UsageError, short_repr
from vipllava_cli.storage.number_text import parse_whole

if TYPE_CHECKING:
    from vipllava_cli.cli.terminal.messages import Messages

_MAX_BATCH_SIZE = 4096


def choose_batch_size(text: str, model: ModelOptions, messages: "Messages") -> int | None:
    """Return the value of `--batch-size`, None for `auto` and for servers. Raises UsageError."""
    from vipllava_cli.engine.open import find_server
    from vipllava_cli.engine.options import DEFAULT_MODEL

    size = _parse_batch_size(text)
    if size is None or find_server(model.chosen().model or DEFAULT_MODEL) is None:
        return size
    messages.note("--batch-size has no effect on a server: --parallel sends several requests")
    return None


def _parse_batch_size(text: str) -> int | None:
    """Parse `--batch-size`. Returns None for `auto`. Raises UsageError."""
    if text == "auto":
        return None
    try:
        size = parse_whole(text)
    except ValueError:
        size = 0
    if not 1 <= size <= _MAX_BATCH_SIZE:
        raise UsageError(
            f"--batch-size {short_repr(text)}: expected auto or a number from 1 to {_MAX_BATCH_SIZE}"
        )
    return size
