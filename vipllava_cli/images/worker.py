"""A process that reads images for another one, which can end it. See `workers`."""

import os
import sys
from contextlib import suppress
from dataclasses import asdict
from typing import BinaryIO

from vipllava_cli.errors import InputError
from vipllava_cli.images import pixels
from vipllava_cli.images.opening import reported
from vipllava_cli.images.worker_messages import Fields, pack_pixels, receive, send

_BASE_BYTES = 1 << 30  # of memory, for the program, the file and the decoder
_BYTES_PER_PIXEL = 24  # of memory at most: JPEG 2000 takes 12 for colours before they are 8 bits


def serve() -> None:
    """Answer requests on standard input until it ends."""
    requests = sys.stdin.buffer
    answers = os.fdopen(os.dup(1), "wb")
    # What a library prints must not become a part of an answer.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    with suppress(EOFError, BrokenPipeError, KeyboardInterrupt):
        while True:
            fields, (data,) = receive(requests)
            _answer(answers, fields, data)


def _answer(answers: BinaryIO, fields: Fields, data: bytes) -> None:
    name, frame = fields["name"], fields["frame"]
    try:
        with reported(name):
            _limit_memory(2 * len(data))
            if fields["kind"] == "orientation":
                send(answers, {"orientation": pixels.read_orientation(data, name)})
                return
            header = pixels.read_header(data, name, frame)
            if fields["kind"] == "header":
                send(answers, asdict(header))
                return
            width, height = header.size
            _limit_memory(2 * len(data) + width * height * _BYTES_PER_PIXEL)
            found = pixels.read_pixels(data, name, frame, any_bits=fields["any_bits"])
            packed = pack_pixels(found)
        send(answers, *packed)
    except InputError as error:
        send(answers, {"error": str(error)})


def _limit_memory(more: int) -> None:
    """Limit the memory of this process to that of the program and `more` bytes. On Linux only."""
    if sys.platform == "linux":
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        wanted = _BASE_BYTES + more
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
