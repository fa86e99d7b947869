"""The blocks of a GIF: the number of its frames, and the largest canvas that they need."""

from vipllava_cli.errors import InputError

MAX_FRAMES = 20_000  # eleven minutes of 30 frames a second
MAX_EXTENSIONS = 100_000
MAX_TEXT = 4 << 20  # bytes of comments and other extensions
MAX_JUNK = 1 << 16  # bytes between blocks
MAX_SUB_BLOCKS = 2_000_000  # of at most 255 bytes: full ones for twice the largest file

_HEADER, _EXTENSION, _IMAGE, _END = 13, 0x21, 0x2C, 0x3B


def check_gif(data: bytes, name: str, frame: int) -> tuple[tuple[int, int], int]:
    """Return the canvas that frames up to `frame` need, and the number of frames.

    Pillow 13.0.0 goes over all blocks in Python, keeps all comments, and enlarges the canvas for a frame
    that does not fit. Raises InputError for too many blocks.
    """
    width, height = (int.from_bytes(data[at : at + 2], "little") for at in (6, 8))
    at, frames, extensions = _HEADER + _palette(data, 10), 0, 0
    text = blocks = junk = 0
    while at < len(data) and data[at] != _END:
        if data[at] == _IMAGE:
            frames += at + 10 <= len(data)
            if frames <= frame:
                left, top, wide, high = (
                    int.from_bytes(data[at + place : at + place + 2], "little")
                    for place in (1, 3, 5, 7)
                )
                width, height = max(width, left + wide), max(height, top + high)
            at, skipped = _skip(data, at + 11 + _palette(data, at + 9))
            blocks += skipped
        elif data[at] == _EXTENSION:
            extensions += 1
            start = at
            at, skipped = _skip(data, at + 2)
            blocks += skipped
            text += at - start
        else:
            at += 1  # Pillow goes on at the next byte, too
            junk += 1
        is_full = frames > MAX_FRAMES or extensions > MAX_EXTENSIONS or text > MAX_TEXT
        if is_full or blocks > MAX_SUB_BLOCKS or junk > MAX_JUNK:
            raise InputError(
                f"{name} holds more than an animation needs: expected at most {MAX_FRAMES:,} frames"
                f" and {MAX_TEXT >> 20} MiB of comments; save one frame as a PNG"
            )
    return (width, height), max(frames, 1)


def _palette(data: bytes, at: int) -> int:
    """Return the bytes of the palette that the flags at a place announce."""
    flags = data[at] if at < len(data) else 0
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _skip(data: bytes, at: int) -> tuple[int, int]:
    """Return the end of a chain of sub-blocks, and how many there are up to MAX_SUB_BLOCKS."""
    size, blocks = len(data), 0
    while at < size and data[at] and blocks <= MAX_SUB_BLOCKS:
        at += data[at] + 1
        blocks += 1
    return at + 1, blocks
