"""The entry point of the program: `vipllava`, or `python -m vipllava_cli`."""

import gc
import io
import os
import sys

INTERRUPTED = 130  # as in errors.py, which is not imported yet when Ctrl-C may come
_FIRST_COLLECTION = (
    200_000  # objects; the modules of a command have about 130,000, and none is garbage
)


def run() -> None:
    """Run the command line in a process of its own: it starts and ends without what only others need."""
    _postpone_garbage_collection()
    main(owns_process=True)


def main(*, owns_process: bool = False) -> None:
    """Run the command line and exit. Ctrl-C ends the program at any time, even during imports."""
    try:
        _open_missing_streams()
        _escape_unencodable_text()
        _escape_messages()
        from vipllava_cli.storage.ending import (
            end_cleanly_on_signals,
            end_process,
            end_without_teardown,
        )

        end_cleanly_on_signals()
        end_with = end_without_teardown()
        if owns_process:
            from vipllava_cli.cli.lean_http import skip_async_libraries

            skip_async_libraries()
        from vipllava_cli.cli.app import app

        code = app(prog_name="vipllava", standalone_mode=False)
    except KeyboardInterrupt:
        code = INTERRUPTED
    if code == INTERRUPTED:
        if "vipllava_cli.storage.ending" in sys.modules:
            end_process(code)
        # If the interrupt passed through `exec`, which the dataclass decorator calls, CPython ends
        # the process by the signal and ignores the exit code of `sys.exit`.
        os._exit(code)
    if owns_process:
        end_with(code or 0)
    sys.exit(code)


def _postpone_garbage_collection() -> None:
    """Look for garbage as usual only after the first collection, which comes late."""
    usual = gc.get_threshold()

    def restore(phase: str, _: object) -> None:
        if phase == "stop":
            gc.callbacks.remove(restore)
            gc.set_threshold(*usual)

    gc.callbacks.append(restore)
    gc.set_threshold(_FIRST_COLLECTION)


def _open_missing_streams() -> None:
    """Open the null device for each standard stream that the caller closed.

    Otherwise the next file that the program opens gets the number of the stream. The null device is
    opened in the wrong mode for stdin and stdout, so that using them fails.
    """
    for number, name, mode in _STREAMS:
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, mode)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", closefd=False))


def _escape_unencodable_text() -> None:
    """Write a character that the encoding of stdout lacks as an escape, as stderr does."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _escape_messages() -> None:
    """Escape the control characters of tracebacks, and of warnings and logs of libraries."""
    from vipllava_cli.cli.terminal.escapes import EscapedStream

    sys.stderr = EscapedStream(sys.stderr)


_STREAMS = (
    (0, "stdin", os.O_WRONLY),
    (1, "stdout", os.O_RDONLY),
    (2, "stderr", os.O_WRONLY),
)

if __name__ == "__main__":
    run()
