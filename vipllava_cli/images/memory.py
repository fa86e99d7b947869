"""Free memory of the machine or the container."""

import sys
from pathlib import Path


def free_memory() -> int:
    """Return the bytes that a process can allocate without swapping or reaching a limit."""
    import psutil

    free = min(psutil.virtual_memory().available, _process_limit())
    try:
        limit, used = (int((_CGROUP / file).read_text()) for file in _LIMIT_AND_USE)
    except (OSError, ValueError):  # no cgroup, or the file contains `max`: no limit
        return free
    return max(min(free, limit - used), 0)


def _process_limit() -> int:
    """Return the limit of this process's memory, such as an image worker has."""
    try:
        import resource
    except ImportError:  # Windows
        return sys.maxsize
    soft, _ = resource.getrlimit(resource.RLIMIT_DATA)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


_CGROUP = Path("/sys/fs/cgroup")
_LIMIT_AND_USE = ("memory.max", "memory.current")
