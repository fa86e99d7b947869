"""Whether the head that a checkpoint stores is its embeddings once more.

transformers (5.23.0) ties a head to the embeddings if the config says so and the weights do not
contradict it: it compares the two after it has read them. A plan does the same, to count what is loaded.
"""

import json
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_LENGTH_BYTES = 8
_CHUNK = 1 << 22
_HEAD, _EMBEDDINGS = "lm_head.weight", "embed_tokens.weight"


@dataclass(frozen=True)
class _Stored:
    """Where a weight is in a file, and when that file changed."""

    path: Path
    begin: int
    length: int
    kind: str
    changed: int

    def chunks(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            file.seek(self.begin)
            left = self.length
            while left and (chunk := file.read(min(_CHUNK, left))):
                left -= len(chunk)
                yield chunk


def stores_other_head(files: Iterable[Path]) -> bool:
    """Return whether the files have a head that differs from the embeddings. Their headers are checked.

    Reads both up to the first difference.
    """
    stored = [each for path in files for each in _find(path)]
    heads = [each for ending, each in stored if ending == _HEAD]
    tables = [each for ending, each in stored if ending == _EMBEDDINGS]
    return bool(heads) and bool(tables) and _differ(heads[0], tables[0])


def _find(path: Path) -> Iterator[tuple[str, _Stored]]:
    """Yield the head and the embeddings of a safetensors file, each with the end of its name."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(_LENGTH_BYTES))
        header = json.loads(file.read(length))
    for name, entry in header.items():
        for ending in (_HEAD, _EMBEDDINGS):
            if name.endswith(ending):
                begin, end = entry["data_offsets"]
                start, changed = _LENGTH_BYTES + length + begin, path.stat().st_mtime_ns
                yield ending, _Stored(path, start, end - begin, entry["dtype"], changed)


@lru_cache(maxsize=8)
def _differ(one: _Stored, other: _Stored) -> bool:
    if (one.length, one.kind) != (other.length, other.kind):
        return True
    return any(mine != its for mine, its in zip(one.chunks(), other.chunks(), strict=True))
