"""Failed rows, grouped by what went wrong."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from vipllava_cli.images.source import display_name
from vipllava_cli.storage.records import Failure, Request

MAX_GROUPS = 1000  # of different messages; later ones are only counted

# The place of a row in its source, which starts a message: `rows.jsonl, line 12: `.
_PLACE = re.compile(r".*?, (?:line|row|image|annotation|region) \d.*?: ", re.DOTALL)


@dataclass
class FailureGroup:
    """Failures that differ only in the name of the row. `id` and `message` are those of the first."""

    id: str
    message: str
    count: int = 1


@dataclass
class FailureGroups:
    """Groups the failures of a run. `ungrouped` failures have messages beyond `MAX_GROUPS`."""

    ungrouped: int = 0
    _groups: dict[str, FailureGroup] = field(default_factory=dict)

    def add(self, request: Request, failure: Failure) -> None:
        """Count a failure."""
        key = f"{failure.type}: {without_names(request, failure.message)}"
        group = self._groups.get(key)
        if group:
            group.count += 1
        elif len(self._groups) < MAX_GROUPS:
            self._groups[key] = FailureGroup(request.id, failure.message)
        else:
            self.ungrouped += 1

    def largest_first(self) -> Sequence[FailureGroup]:
        """Return the groups by their counts; groups of one size are in the order of the run."""
        return sorted(self._groups.values(), key=lambda group: -group.count)


def without_names(request: Request, message: str) -> str:
    """Replace the names of a row in its message: its place in the source, its image and its id."""
    place = _PLACE.match(message)
    message = message[place.end() :] if place else message
    image = display_name(request.image)
    names = {image, os.path.basename(image), request.id}
    # An id like `2` or `red` may be another word of the message, and is not what names the row.
    names = {name for name in names if re.search(r"[./#~]", name)}
    for name in sorted(names, key=len, reverse=True):
        # Only complete names: `a.png` is no part of `b/a.png` or `a.png.gz`.
        message = re.sub(rf"(?<![\w.~/-]){re.escape(name)}(?![\w~/-]|\.\w)", "…", message)
    return message
