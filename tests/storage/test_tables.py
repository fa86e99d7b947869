"""Tables of records."""

import csv
import json
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from vipllava_cli.errors import InputError, UsageError
from vipllava_cli.storage import tables
from vipllava_cli.storage.records import Failure, Record, Request
from vipllava_cli.storage.tables import TABLES, check_table, records_path, write_table

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
    names = {each.name for each in (*fields(Request), *fields(Record))}
    names -= {"request", "choices", "note"}
    columns_of_their_own = {"fields", "field_probabilities", "answer_marks"}
    assert {*tables._COLUMNS, "extra"} == names - columns_of_their_own | {"schema", "error_type"}


@pytest.mark.parametrize("suffix", TABLES)
def test_marks_of_answers_have_a_column_if_there_are_any(suffix: str, tmp_path: Path) -> None:
    plain, pointing = tmp_path / f"plain{suffix}", tmp_path / f"pointing{suffix}"
    marks = [{"shape": "box", "coords": [1, 2, 3, 4], "label": "a dog"}]
    write_table(lambda: ROWS, plain)
    write_table(lambda: [ROWS[0] | {"answer_marks": marks}, *ROWS[1:]], pointing)
    assert "answer_marks" not in read_table(plain)[0]
    first, second, _ = read_table(pointing)
    assert json.loads(first["answer_marks"]) == marks
    assert not second["answer_marks"]


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


def record(number: int, extra: dict[str, Any], *labels: str) -> dict[str, Any]:
    marks = [{"shape": "point", "coords": [1, 2], "label": label} for label in labels]
    return {**ROWS[0], "id": str(number), "extra": extra, "marks": marks}


@pytest.mark.parametrize("suffix", TABLES)
def test_the_fields_of_the_source_are_columns(suffix: str, tmp_path: Path) -> None:
    """A field named like another column gets a prefix, also if that name is another field."""
    rows = [
        record(0, {"size": 3, "ok": True, "answer": "x", "none": None}),
        record(1, {"extra_answer": "y", "label": "dog", "list": ["ä", 1], "": "z"}, "cat"),
        record(2, {"size": "big", "odd\udcff": 1, "extra": 5}, "cat", "cow", "cat"),
    ]
    path = tmp_path / f"t{suffix}"
    write_table(lambda: iter(rows), path)
    table = read_table(path)
    names = list(table[0])
    start = names.index("error") + 1
    assert names[start : names.index("width")] == [
        "label",
        "size",
        "ok",
        "extra_extra_answer",
        "none",
        "extra_answer",
        "list",
        "extra_",
        "odd\\udcff",
        "extra_extra",
    ]
    assert "extra" not in names
    assert [row["label"] or None for row in table] == [None, "dog", "cat, cow"]
    assert [row["size"] or None for row in table] == ["3", None, "big"]
    assert [row["ok"] or None for row in table] == ["true", None, None]
    assert [row["answer"] for row in table] == ["a dog"] * 3
    assert table[0]["extra_extra_answer"] == "x"
    assert table[1]["extra_answer"] == "y"
    assert table[1]["extra_"] == "z"
    assert json.loads(table[1]["list"]) == ["ä", 1]
    write_table(lambda: iter(rows), again := tmp_path / f"again{suffix}")
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("suffix", TABLES)
def test_fields_beyond_the_limit_stay_together(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "MAX_EXTRA_COLUMNS", 2)
    rows = [record(number, {f"f{number}": number, f"g{number}": number}) for number in range(3)]
    path = tmp_path / f"t{suffix}"
    write_table(lambda: rows, path)
    table = read_table(path)
    assert [row["f0"] or None for row in table] == ["0", None, None]
    assert "f1" not in table[0]
    assert [json.loads(row["extra"]) for row in table] == [
        {},
        {"f1": 1, "g1": 1},
        {"f2": 2, "g2": 2},
    ]


def test_a_table_leads_to_its_records(tmp_path: Path) -> None:
    table, records = tmp_path / "r.csv", tmp_path / "r.csv.jsonl"
    table.write_text("id,image\n")
    with pytest.raises(InputError, match=r"r\.csv\.jsonl are not beside it"):
        records_path(table)
    records.write_text("{}\n")
    assert records_path(table) == records
    table.unlink()  # as after a run that was stopped
    assert records_path(table) == records
    for other in (records, tmp_path / "gone.csv", tmp_path / "r.jsonl", Path("-")):
        assert records_path(other) == other
    named_like_a_table = tmp_path / "ask.csv"
    named_like_a_table.write_text('{"schema": 1}\n')
    assert records_path(named_like_a_table) == named_like_a_table


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


@pytest.mark.parametrize("suffix", TABLES)
def test_the_fields_of_answers_are_columns(suffix: str, tmp_path: Path) -> None:
    """Names of other columns get a prefix; the fields of the source give way."""
    values = {"material": "wood", "model": "A", "material.probability": "x", "ok": True, "n": 1}
    probabilities = {"material": {"metal": 0.25, "wood": 0.75}, "ok": {"yes": 0.9, "no": 0.1}}
    answered = {**record(0, {"material": "given"}), "fields": values}
    rows = [
        {**answered, "field_probabilities": probabilities},
        {**record(1, {}), "fields": {"material": None, "ok": None, "n": 2.5}},
        ROWS[1],
    ]
    path = tmp_path / f"t{suffix}"
    write_table(lambda: iter(rows), path)
    table = read_table(path)
    names = list(table[0])
    start = names.index("answer") + 1
    assert names[start : start + 7] == [
        "material", "material.probability", "field_model", "field_material.probability", "ok",
        "ok.probability", "n",
    ]  # fmt: skip
    assert table[0]["material"] == "wood"
    assert float(table[0]["material.probability"]) == 0.75
    assert (table[0]["extra_material"], table[0]["field_model"]) == ("given", "A")
    assert str(table[0]["ok"]) == "True"
    assert [float(row["n"]) for row in table[:2]] == [1, 2.5]
    assert [row["material"] or None for row in table[1:]] == [None, None]
