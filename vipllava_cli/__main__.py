"""Where the program starts: `vipllava`, or `python -m vipllava_cli`."""

import os
import sys

INTERRUPTED = 130  # as in errors.py, which is not loaded yet when this is needed first


def main() -> None:
    """Run the command. Ctrl-C ends it at any time, while it is still being loaded too."""
    try:
        _open_streams()
        from vipllava_cli.cli.app import app

        code = app(prog_name="vipllava", standalone_mode=False)
    except KeyboardInterrupt:
        code = INTERRUPTED
    if code == INTERRUPTED:
        # CPython ends itself by the signal, whatever the code, if the interrupt went through `exec`,
        # which makes the dataclasses and named tuples of what is imported.
        os._exit(code)
    sys.exit(code)


def _open_streams() -> None:
    """Put something in the place of streams that were closed by whoever started the program.

    No file opened later may take their numbers. To read from stdin or write to stdout then fails, as
    it has to; what is said on stderr is lost.
    """
    for number, name, mode in _STREAMS:
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, mode)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", closefd=False))


_STREAMS = (
    (0, "stdin", os.O_WRONLY),
    (1, "stdout", os.O_RDONLY),
    (2, "stderr", os.O_WRONLY),
)

if __name__ == "__main__":
    main()
