"""Samples as rows of a batch, and records as results."""

from pathlib import Path
from typing import Any

from PIL import Image

from vipllava_cli.errors import InputError
from vipllava_cli.flows.evals.dataset import Case, Sample, SampleBatch
from vipllava_cli.sources.rows import BadRow, Row


def _case(question: str, target: str) -> Case:
    return Case(question, target, {"all": "all"})


def test_an_image_is_saved_once_and_records_find_their_cases(tmp_path: Path) -> None:
    image = Image.new("RGB", (8, 8))
    cases = (_case("what?", "a dog"), _case("is it?", "yes"))
    batch = SampleBatch(tmp_path)
    first, second = batch.rows([Sample("a", image, cases), Sample("b", "b.png", cases[:1])])
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    assert isinstance(first, Row)
    assert isinstance(second, Row)
    assert (first.image, second.image) == (str(tmp_path / "a.png"), "b.png")
    assert first.extra == {"wanted": ["a dog", "yes"]}  # `compare` reads this
    assert second.extra == {"wanted": "a dog"}
    records: list[dict[str, Any]] = [
        {"id": "a:q2", "answer": "yes"}, {"id": "b", "answer": None}, {"id": "other", "answer": "x"},
    ]  # fmt: skip
    results = list(batch.results(records))
    assert [(each.id, each.case, each.answer, each.record_id) for each in results] == [
        ("a", cases[1], "yes", "a:q2"), ("b", cases[0], None, "b"),
    ]  # fmt: skip


def test_ids_become_unique_and_errors_become_bad_rows(tmp_path: Path) -> None:
    batch = SampleBatch(tmp_path)
    error = InputError("no")
    case = (_case("?", "x"),)
    rows = list(batch.rows([Sample("a", "a.png", case), Sample("a", "b.png", case, error=error)]))
    assert [row.id for row in rows] == ["a", "a~2"]
    assert rows[1] == BadRow("a~2", "b.png", error)
    assert [each.id for each in batch.results([{"id": "a~2", "answer": None}])] == ["a~2"]


def test_an_id_that_ends_like_that_of_a_question_is_a_sample_of_its_own(tmp_path: Path) -> None:
    batch = SampleBatch(tmp_path)
    ids = ["a", "a:q1", "a:q3"]
    list(batch.rows(Sample(id, "a.png", (_case(f"{id}?", id),)) for id in ids))
    results = batch.results([{"id": id, "answer": "x"} for id in [*ids, "a:q2"]])
    assert [(each.id, each.case.target) for each in results] == [(id, id) for id in ids]


def test_options_that_the_model_scores_become_choices(tmp_path: Path) -> None:
    options = ("a dog", "a cat")
    case = Case("?", "a cat", {}, options, by_text=True)
    (row,) = SampleBatch(tmp_path).rows([Sample("a", "a.png", (case,))])
    assert isinstance(row, Row)
    assert row.choices == options
