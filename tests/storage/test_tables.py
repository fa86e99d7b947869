"""Tables of records."""

import csv
import json
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from vipllava_cli.errors import UsageError
from vipllava_cli.storage import tables
from vipllava_cli.storage.records import Failure, Record, Request
from vipllava_cli.storage.tables import TABLES, check_table, write_table

ROWS = [
    Record(
        Request(
            id=f"row {number}",
            key="",
            image="odd\udcff.png",
            width=None if number else 20,
            height=None if number else 10,
            marks=({"shape": "point", "coords": [1, 2]},),
            numbers=False,
            crop=None,
            question="what, then?",
            model="tiny",
            revision="1",
            template="human",
            options={},
        ),
        answer=None if number else "a dog",
        error=Failure("InputError", "gone") if number else None,
    ).to_json()
    for number in range(3)
]


def test_every_field_of_a_record_has_a_column() -> None:
    names = {each.name for each in (*fields(Request), *fields(Record))} - {"request", "choices"}
    assert {*tables._COLUMNS, "extra"} == names | {"schema", "error_type"}


@pytest.mark.parametrize("suffix", TABLES)
def test_a_table_has_a_row_for_each_record(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "_ROW_GROUP", 2)
    path = tmp_path / f"results{suffix}"
    write_table(lambda: ROWS, path)
    rows = read_table(path)
    assert [row["id"] for row in rows] == ["row 0", "row 1", "row 2"]
    assert [row["answer"] or None for row in rows] == ["a dog", None, None]
    assert [row["error_type"] or None for row in rows] == [None, "InputError", "InputError"]
    assert rows[2]["error"] == "gone"
    assert rows[0]["image"] == r"odd\udcff.png"
    assert json.loads(rows[0]["marks"]) == [{"shape": "point", "coords": [1, 2]}]
    assert int(rows[0]["width"]) == 20


def read_table(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


def test_a_parquet_table_needs_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    check_table(Path("results.csv"))
    with pytest.raises(UsageError, match="needs the package pyarrow"):
        check_table(Path("results.parquet"))
