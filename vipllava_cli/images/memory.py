"""Free memory, within the limit of a container."""

from pathlib import Path


def free_memory() -> int:
    """Bytes that can be taken without swapping, within the limit of a container."""
    import psutil

    free: int = psutil.virtual_memory().available
    try:
        limit, used = (int((_CONTAINER / file).read_text()) for file in _LIMIT_AND_USE)
    except (OSError, ValueError):  # no such limit here
        return free
    return max(min(free, limit - used), 0)


_CONTAINER = Path("/sys/fs/cgroup")
_LIMIT_AND_USE = ("memory.max", "memory.current")
