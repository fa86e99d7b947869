"""Helpers for tests of `vipllava eval`: its records and its scores."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vipllava_cli.flows.batch.run import BatchSummary
from vipllava_cli.storage.journal import read_journal

QUIET = ("-q", "--model", "tiny", "--device", "cpu")


class SilentListener:
    """A listener of a run that shows nothing."""

    def advance(self, summary: BatchSummary, id: str) -> None:
        pass

    def note(self, id: str, text: str) -> None:
        pass


def read_records(folder: Path) -> dict[str, dict[str, Any]]:
    """Read the records of a run by id."""
    return {record["id"]: record for record in read_journal(folder / "records.jsonl")}


def find_score(scores: Mapping[str, Any], scorer: str, group: str = "all") -> tuple[float, int]:
    """Return the score and the number of cases of a group in `scores.json`."""
    (found,) = (f for f in scores["figures"] if (f["rule"], f["group"]) == (scorer, group))
    return found["right"], found["of"]
