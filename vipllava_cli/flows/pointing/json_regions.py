"""Regions in JSON: objects with `bbox_2d`, `point` and the like, also inside fences, prose and lists.

The text need not be JSON as a whole. The reader goes through it once, token by token, and returns the
regions of the objects that are complete: an answer may be cut at its token limit.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from vipllava_cli.flows.pointing.regions import (
    BOX,
    JSON,
    MAX_REGIONS,
    POINT,
    TextRegion,
    clean_label,
    iter_lists,
    read_numbers,
)

_MAX_DEPTH = 64  # objects within objects

# The numbers of a region, by its name in an object.
_KEYS: Mapping[str, int] = {
    "bbox_2d": BOX,
    "box_2d": BOX,
    "bbox": BOX,
    "box": BOX,
    "bounding_box": BOX,
    "point_2d": POINT,
    "point": POINT,
}
_LABEL_KEYS = ("label", "name", "ref", "text_content", "text", "category", "description")

_HAS_KEY = re.compile(rf"[\"'](?:{'|'.join(_KEYS)})[\"']")
_TOKEN = re.compile(
    r"(?P<open>\{)"
    r"|(?P<close>\})"
    r"|(?P<list>\[\s*+(?:\[[^][{}]*+\]\s*+(?:,\s*+)?+)++\]|\[[^][{}\"']*+\])"
    r"|(?P<string>\"(?:[^\"\\]|\\.)*+\"|'(?:[^'\\]|\\.)*+')"
    r"|(?P<cut>[\"'])"
    r"|(?P<mark>[:,\[\]])"
    r"|(?P<other>[^\s{}\[\]\"':,]++)",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)


@dataclass
class _Object:
    """An object while it is read. `key` is the name before the value that comes next."""

    start: int
    key: str | None = None
    regions: list[tuple[float, ...]] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)


@dataclass
class _Reader:
    """Reads the tokens of a text. `spans` are the outer objects, complete or not."""

    text: str
    open: list[_Object] = field(default_factory=list)
    found: list[TextRegion] = field(default_factory=list)
    spans: list[tuple[int, int]] = field(default_factory=list)
    before: str = ""  # the last punctuation, before which a value starts

    def read(self) -> None:
        position = 0
        while len(self.found) < MAX_REGIONS:
            match = _TOKEN.search(self.text, position)
            if match is None:
                break
            position = match.end()
            kind = match.lastgroup
            if kind == "open":
                if len(self.open) == _MAX_DEPTH:
                    break
                self.open.append(_Object(match.start()))
                self.before = "{"
            elif not self.open:
                # Outside objects only braces count: prose has quotation marks and brackets of its own.
                position = self.text.find("{", match.start() + 1)
                if position < 0:
                    break
            elif kind == "string" and match[0][0] == "'" and self.before not in _VALUE_STARTS:
                position = match.start() + 1  # an apostrophe
            elif kind == "cut":
                if match[0] == '"' or self.before in _VALUE_STARTS:
                    break  # a text without an end: the answer was cut
            else:
                self._add(match)
        if self.open:
            self.spans.append((self.open[0].start, len(self.text)))

    def _add(self, match: re.Match[str]) -> None:
        current, kind = self.open[-1], match.lastgroup
        if kind == "close":
            self._close(match.end())
        elif kind == "string":
            self._add_text(current, match[0])
        elif kind == "list":
            count = _KEYS.get(current.key or "")
            if count is not None:
                current.regions += _read_list(match[0], count)
            current.key = None
        elif kind == "mark" and match[0] == ",":
            current.key = None
        self.before = match[0] if kind == "mark" else ""

    def _add_text(self, current: _Object, literal: str) -> None:
        text = _unescape(literal[1 : 8 + 4 * 200])
        if self.before == ":" and current.key is not None:
            current.labels.setdefault(current.key, text.removesuffix(literal[0]))
            current.key = None
        else:
            current.key = literal[1:-1]

    def _close(self, end: int) -> None:
        done = self.open.pop()
        label = next((done.labels[key] for key in _LABEL_KEYS if key in done.labels), None)
        self.found += [
            TextRegion(done.start, end, numbers, clean_label(label), JSON)
            for numbers in done.regions
        ]
        if not self.open:
            self.spans.append((done.start, end))
        else:
            self.open[-1].key = None


_VALUE_STARTS = ("{", ":", ",", "[")


def find_json_regions(text: str) -> tuple[list[TextRegion], list[tuple[int, int]]]:
    """Return the regions in JSON objects, and from where to where the outermost objects reach."""
    reader = _Reader(text)
    reader.read()
    if not _HAS_KEY.search(text):
        return [], reader.spans
    return sorted(reader.found, key=lambda region: region.start), reader.spans


def _read_list(text: str, count: int) -> Iterator[tuple[float, ...]]:
    """Yield the numbers of one region, or of each region in a list of lists."""
    for inside in islice(iter_lists(text), MAX_REGIONS):
        yield read_numbers(inside, count)


def _unescape(text: str) -> str:
    return _ESCAPE.sub(_unescaped, text) if "\\" in text else text


def _unescaped(match: re.Match[str]) -> str:
    escape = match[1]
    if len(escape) == 5:
        return chr(int(escape[1:], 16))
    return {"n": "\n", "t": " ", "r": " ", "b": " ", "f": " "}.get(escape, escape)
