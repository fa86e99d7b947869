"""What every subcommand that answers does: open the model that its flags name."""

from vipllava_cli.commands.flags import ModelFlags
from vipllava_cli.engine import DEFAULT_MODEL, Engine
from vipllava_cli.render.text import Messages
from vipllava_cli.runtime import open_engine

TINY_NOTICE = (
    "using tiny, the demo model in this package: it knows only clip-art scenes. For photographs:"
    " `hf download llava-hf/vip-llava-7b-hf` (14.2 GB), then --model 7b"
)


def open_model(flags: ModelFlags, messages: Messages) -> Engine:
    """The engine; that nobody chose it is said. Raises ModelError."""
    if not flags.model:
        messages.note(TINY_NOTICE)
    with messages.waiting("loading the model"):
        engine = open_engine(
            flags.model or DEFAULT_MODEL,
            device=flags.device.value,
            dtype=flags.dtype.value,
            revision=flags.revision,
        )
    info = engine.info
    messages.detail(f"{info.name} at {info.revision}, {info.dtype} on {info.device}")
    return engine
