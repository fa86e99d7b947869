"""Scores in the records of a run: `extra.scores`, an object scorer name -> number."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vipllava_cli.storage.files import atomic_file
from vipllava_cli.storage.journal import open_journal, read_journal
from vipllava_cli.storage.record_lines import encode_line

SCORES = "scores"  # the key in `extra`


def store_scores(path: Path, scores: Mapping[str, Mapping[str, float]]) -> None:
    """Write the scores, by record id, into the records of a finished run.

    The file is replaced atomically, and only if a score differs. Keys and other records stay as
    they are. Raises InputError if the file cannot be written or another run writes it.
    """
    with open_journal(path):  # holds the lock
        if all(_with_scores(record, scores) == record for record in read_journal(path)):
            return
        with atomic_file(str(path)) as file:
            for record in read_journal(path):
                file.write(encode_line(_with_scores(record, scores)))


def read_scores(extra: Mapping[str, Any]) -> dict[str, float]:
    """Return the scores in the `extra` of a record, empty if there are none."""
    stored = extra.get(SCORES)
    if not isinstance(stored, dict):
        return {}
    return {
        name: float(score)
        for name, score in stored.items()
        if isinstance(score, int | float) and not isinstance(score, bool)
    }


def _with_scores(
    record: Mapping[str, Any], scores: Mapping[str, Mapping[str, float]]
) -> dict[str, Any]:
    own = scores.get(record["id"])
    if own is None:
        return dict(record)
    return {**record, "extra": {**(record.get("extra") or {}), SCORES: dict(own)}}
