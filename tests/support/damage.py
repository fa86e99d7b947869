"""Damage the content of a file at random: its bytes, or its structure. The same seed, the same damage."""

import re
from collections.abc import Callable
from random import Random

from tests.support.damage_structure import damage_structure

_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")
_ENDS = (b"1e400", b"-1", b"NaN", b"inf", b"9" * 400, b"", b"0", b"1e-400", b"--5", b"1_0", b"0x10")


def damage(data: bytes, name: str, rng: Random) -> bytes:
    """Damage the content of a file with this name, mostly its structure, else its bytes."""
    if rng.random() < 0.7:
        try:
            damaged = damage_structure(data, name, rng)
        except ValueError:
            damaged = _damage_bytes(data, rng)
        if rng.random() < 0.9:
            return damaged
        data = damaged
    return _damage_bytes(data, rng)


# --- bytes -----------------------------------------------------------------------------------


def _damage_bytes(data: bytes, rng: Random) -> bytes:
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        data = rng.choice(_BYTE_DAMAGES)(data, rng)
    return data


def _span(data: bytes, rng: Random, longest: int = 200) -> slice:
    start = rng.randrange(len(data) + 1)
    return slice(start, start + rng.randrange(1, longest))


def _flip(data: bytes, rng: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 3, 20)) if data else 0):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _cut(data: bytes, rng: Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _behead(data: bytes, rng: Random) -> bytes:
    return data[rng.randrange(min(len(data), 300) + 1) :]


def _remove(data: bytes, rng: Random) -> bytes:
    span = _span(data, rng)
    return data[: span.start] + data[span.stop :]


def _repeat(data: bytes, rng: Random) -> bytes:
    span = _span(data, rng)
    return data[: span.stop] + data[span] * rng.choice((1, 2, 300)) + data[span.stop :]


def _swap(data: bytes, rng: Random) -> bytes:
    first, second = sorted((_span(data, rng), _span(data, rng)), key=lambda span: span.start)
    if first.stop > second.start:
        return data
    return (
        data[: first.start]
        + data[second]
        + data[first.stop : second.start]
        + data[first]
        + data[second.stop :]
    )


def _insert(data: bytes, rng: Random) -> bytes:
    inserted = rng.choice(
        (
            b"\x00",
            b"\x00" * 500,
            b"\xef\xbb\xbf",
            b"\xff\xfe",
            b"\x1b]0;x\x07",
            b"\r",
            b"\n\n",
            b'"',
            b"\\",
            b"\\ud800",
            b"[" * 2000,
            b'{"a":' * 2000,
            b"<a>" * 2000,
            b"\xc3",
            "\u2028\u0085".encode(),
            rng.randbytes(rng.randrange(1, 60)),
        )
    )
    at = rng.choice((0, rng.randrange(len(data) + 1), len(data)))
    return data[:at] + inserted + data[at:]


def _renumber(data: bytes, rng: Random) -> bytes:
    """Replace one number, or every number."""
    found = list(_NUMBER.finditer(data))
    if not found:
        return data
    end = rng.choice(_ENDS)
    if rng.random() < 0.2:
        return _NUMBER.sub(end, data)
    match = rng.choice(found)
    return data[: match.start()] + end + data[match.end() :]


def _reencode(data: bytes, rng: Random) -> bytes:
    encoding = rng.choice(("utf-16", "utf-16-le", "utf-32", "utf-7", "utf-8-sig"))
    return data.decode("utf-8", "replace").encode(encoding)


_BYTE_DAMAGES: tuple[Callable[[bytes, Random], bytes], ...] = (
    _flip,
    _flip,
    _cut,
    _cut,
    _behead,
    _remove,
    _repeat,
    _swap,
    _insert,
    _insert,
    _renumber,
    _renumber,
    _reencode,
)
