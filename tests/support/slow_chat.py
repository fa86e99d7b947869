"""`vipllava` with the shipped model, slowed down while the file that SLOW names exists."""

import os
import time

from torch import Tensor

from vipllava_cli.cli.app import app
from vipllava_cli.engine.local.streaming import Stream

put = Stream.put


def slow_put(stream: Stream, value: Tensor) -> None:
    """Pass a token on, then wait."""
    put(stream, value)
    if os.path.exists(os.environ["SLOW"]):
        time.sleep(0.3)


if __name__ == "__main__":
    setattr(Stream, "put", slow_put)  # noqa: B010
    app()
