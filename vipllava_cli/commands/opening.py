"""What every subcommand that answers does: open the model that its flags name."""

from vipllava_cli.commands.flags import ModelFlags
from vipllava_cli.engine import DEFAULT_MODEL, Engine
from vipllava_cli.render.text import Messages
from vipllava_cli.runtime import identify, open_engine

TINY_NOTICE = (
    "using tiny, the demo model in this package: it knows only clip-art scenes. For photographs:"
    " `vipllava models pull 7b` (14.2 GB), then `vipllava models use 7b`"
)


def open_model(flags: ModelFlags, messages: Messages) -> Engine:
    """The engine; that nobody chose it is said. Raises ModelError."""
    chosen = flags.chosen()
    if not chosen.model:
        messages.note(TINY_NOTICE)
    with messages.waiting("loading the model"):
        engine = open_engine(
            chosen.model or DEFAULT_MODEL,
            device=flags.device.value,
            dtype=flags.dtype.value,
            revision=chosen.revision,
        )
    info = engine.info
    messages.detail(f"{info.name} at {info.revision}, {info.dtype} on {info.device}")
    return engine


def name_model(flags: ModelFlags) -> tuple[str, str]:
    """The name and revision that records will say of that engine, without loading it. Raises
    ModelError.
    """
    chosen = flags.chosen()
    return identify(chosen.model or DEFAULT_MODEL, chosen.revision)
