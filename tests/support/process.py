"""The command in a process of its own."""

import subprocess
import sys


def vipllava(*arguments: str, **options: object) -> "subprocess.CompletedProcess[bytes]":
    """The command in a process of its own."""
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        [sys.executable, "-m", "vipllava_cli", *arguments],
        capture_output=True,
        check=False,
        **options,
    )
