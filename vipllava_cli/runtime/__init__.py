"""Where torch lives: checkpoints, placement on devices, and the engine that answers."""

from vipllava_cli.engine import DEFAULT_MODEL, Engine


def open_engine(
    model: str = DEFAULT_MODEL,
    *,
    device: str = "auto",
    dtype: str = "auto",
    revision: str | None = None,
) -> Engine:
    """Load a model: `tiny`, `7b`, `13b`, a hub name or a folder. Raises ModelError.

    This is the door to torch: nothing imports it before this call.
    """
    from vipllava_cli.runtime.local import open_local_engine

    return open_local_engine(model, device=device, dtype=dtype, revision=revision)


def identify(model: str = DEFAULT_MODEL, revision: str | None = None) -> tuple[str, str]:
    """The name and revision that records will say, without torch. Raises ModelError."""
    from vipllava_cli.runtime.checkpoints import find_checkpoint

    checkpoint = find_checkpoint(model, revision)
    return checkpoint.name, checkpoint.revision
