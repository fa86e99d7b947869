"""Free memory of the machine or the container."""

from pathlib import Path


def free_memory() -> int:
    """Return the bytes that a process can allocate without swapping or reaching the cgroup's limit."""
    import psutil

    free: int = psutil.virtual_memory().available
    try:
        limit, used = (int((_CGROUP / file).read_text()) for file in _LIMIT_AND_USE)
    except (OSError, ValueError):  # no cgroup, or the file contains `max`: no limit
        return free
    return max(min(free, limit - used), 0)


_CGROUP = Path("/sys/fs/cgroup")
_LIMIT_AND_USE = ("memory.max", "memory.current")
