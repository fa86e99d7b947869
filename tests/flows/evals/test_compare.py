"""Comparisons: figures checked by hand, McNemar's test, and what says that an answer is right."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from math import comb
from pathlib import Path

import pytest

from tests.conftest import ROOT, Run
from tests.support.comparisons import record, write_answers, write_two_files
from tests.support.report_pages import blocks, results, row
from vipllava_cli.errors import InputError, UsageError
from vipllava_cli.flows.evals.answer_rule import AnswerRule
from vipllava_cli.flows.evals.compare import compare, mcnemar_p_value


@pytest.fixture
def files(image: Path) -> tuple[Path, Path]:
    return write_two_files(image.parent)


def test_figures(run: Run, files: tuple[Path, Path]) -> None:
    ended = run("compare", *files, "--json")
    assert ended.code == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert (found["rows"], found["truth"], found["rows_with_truth"]) == (10, "wanted", 10)
    assert [(f["right"], f["failed"], f["model"]) for f in found["files"]] == [
        (0.6, 1, "tiny"), (0.7, 1, "tiny"),
    ]  # fmt: skip
    for file in found["files"]:
        assert 0 <= file["low"] < file["right"] < file["high"] <= 1
    assert found["against_first"] == [
        {
            "file": str(files[1]),
            "changed": ["row-5", "row-6", "row-7", "row-8"],
            "right_to_wrong": ["row-5"],
            "wrong_to_right": ["row-6", "row-7"],
            "p_value": 1.0,
        }
    ]


def test_several_files_are_compared_with_the_first(run: Run, files: tuple[Path, Path]) -> None:
    last = write_answers(files[0].parent, "c.jsonl", ["a cat"] * 10)
    against = json.loads(run("compare", *files, last, "--json").stdout)["against_first"]
    assert [len(each["wrong_to_right"]) for each in against] == [2, 4]
    assert against[1]["p_value"] == 2 / 2**4
    assert run("compare", *files, last).stdout.count("right to wrong") == 2


@pytest.mark.parametrize(
    ("regressions", "fixes", "p"),
    [(0, 0, 1.0), (1, 1, 1.0), (0, 5, 2 / 32), (5, 0, 2 / 32), (2, 8, 2 * 56 / 1024), (3, 3, 1.0)],
)
def test_the_p_value_is_exact(regressions: int, fixes: int, p: float) -> None:
    assert mcnemar_p_value(regressions, fixes) == p


def test_the_p_value_of_many_changes() -> None:
    fair = 2 * sum(comb(1000, heads) for heads in range(471)) / 2**1000
    assert mcnemar_p_value(470, 530) == mcnemar_p_value(530, 470) == pytest.approx(fair, rel=1e-12)
    assert mcnemar_p_value(0, 100_000) == 0.0


def test_a_row_of_several_questions_has_a_list_of_truths(run: Run, image: Path) -> None:
    truths = ["a cat", 2, "a hen"]

    def file(name: str, answers: Sequence[str]) -> Path:
        rows = [
            record(number, answer, truths, id=f"row:q{number}")
            for number, answer in enumerate(answers, 1)
        ]
        return results(image.parent, rows, name)

    before, after = (
        file("a.jsonl", ["a cat", "3", "a hen", "a pig"]),
        file("b.jsonl", ["a dog", "2", "a hen", "a pig"]),
    )
    found = json.loads(run("compare", before, after, "--json").stdout)
    assert (found["rows"], found["rows_with_truth"]) == (4, 3)
    assert [each["right"] for each in found["files"]] == [0.6667, 0.6667]
    (change,) = found["against_first"]
    assert (change["right_to_wrong"], change["wrong_to_right"]) == (["row:q1"], ["row:q2"])


def test_the_option_names_the_column_of_the_truth_which_may_hold_numbers(
    run: Run, image: Path
) -> None:
    rows = [
        [
            row(n, answer=answer, extra={"wanted": "x", "count": n})
            for n, answer in enumerate(answers)
        ]
        for answers in ("012", "032")
    ]
    a, b = (results(image.parent, each, f"{n}.jsonl") for n, each in enumerate(rows))
    found = json.loads(run("compare", a, b, "--truth", "count", "--json").stdout)
    assert (found["truth"], found["against_first"][0]["right_to_wrong"]) == ("count", ["row-1"])
    assert json.loads(run("compare", a, b, "--json").stdout)["truth"] == "wanted"


def test_notes_count_rows_that_are_not_compared(run: Run, image: Path) -> None:
    folder = image.parent
    a = results(
        folder,
        [record(0, "a cat"), record(1, "a cat", None), record(2, "a cat"), record(7, "only here")],
        "a.jsonl",
    )
    b = results(
        folder,
        [
            record(2, "a cat", question="another"), record(1, "a dog", None),
            record(0, "a dog", marks=[]),
            record(8, "only there"), record(9, "only there"),
        ],
        "b.jsonl",
    )  # fmt: skip
    b.write_text(b.read_text() + '{"schema": 1, "id": "to')
    ended = run("compare", a, b)
    assert ended.code == 0
    for note in (
        "b.jsonl: line 6 is not a record and was skipped",
        "1 of the 4 rows of a.jsonl are not in all files",
        "2 of the 5 rows of b.jsonl are not in all files",
        "2 of 3 rows have different questions or marks in another file",
        "1 of 3 rows have no truth: they are neither right nor wrong",
    ):
        assert f"note: {note}" in ended.stderr
    assert [line.split()[2] for line in ended.stdout.splitlines()[1:3]] == ["2", "2"]


def test_only_the_answers_of_a_strict_comparison_must_be_the_truth_itself(
    run: Run, files: tuple[Path, Path]
) -> None:
    ended = run("compare", *files, "--strict", "--truth", "wanted", "--json")
    found = json.loads(ended.stdout)
    assert found["normalization"] == []
    assert [file["right"] for file in found["files"]] == [0.4, 0.5]
    assert ended.stderr == 'note: an answer is right if it is exactly "wanted"\n'
    ended = run("compare", *files, "--json")
    assert json.loads(ended.stdout)["normalization"] == [
        "case", "articles", "plurals", "punctuation", "number words", "common synonyms",
    ]  # fmt: skip
    assert ended.stderr == (
        'note: an answer is right if it equals "wanted", apart from case, articles, plurals,'
        " punctuation, number words, common synonyms (--strict: exactly)\n"
    )


def test_synonyms_of_a_file_are_equal_and_the_output_names_the_file(run: Run, image: Path) -> None:
    synonyms = image.parent / "names.txt"
    synonyms.write_text("cat, kitten, tabby cat\n")
    file = write_answers(image.parent, "a.jsonl", ["Kittens", "the tabby cat.", "a dog"])
    ended = run("compare", file, "--synonyms", synonyms, "--json")
    found = json.loads(ended.stdout)
    assert found["files"][0]["right"] == 0.6667
    assert found["normalization"][-1] == "those in names.txt"
    assert "common synonyms, those in names.txt (--strict: exactly)" in ended.stderr
    assert json.loads(run("compare", file, "--json").stdout)["files"][0]["right"] == 0


def test_truths_of_two_files_may_differ_as_answers_may(run: Run, image: Path) -> None:
    a = write_answers(image.parent, "a.jsonl", ["a cat"], truth="cat")
    b = write_answers(image.parent, "b.jsonl", ["a dog"], truth="Cats")
    assert json.loads(run("compare", a, b, "--json").stdout)["against_first"][0]["p_value"] == 1.0
    refused = run("compare", a, b, "--strict", "--truth", "wanted")
    assert (
        "the truth of the row 'row-0' is 'cat' in a.jsonl and 'Cats' in b.jsonl" in refused.stderr
    )


def test_one_file_is_compared_with_its_truths(run: Run, image: Path) -> None:
    answers = ["a cat", "Cats", "a dog", "a dog", "a pig", None, ""]
    file = write_answers(image.parent, "a.jsonl", answers)
    found = json.loads(run("compare", file, "--json").stdout)
    assert found["against_first"] == []
    (figures,) = found["files"]
    assert (figures["rows"], figures["failed"], figures["right"]) == (7, 1, 0.2857)
    assert figures["labels"] == [{"label": "a cat", "right": 0.2857, "of": 7, "failed": 1}]
    assert [(each["answer"], each["count"]) for each in figures["confusions"]] == [
        ("a dog", 2), ("a pig", 1), (None, 1), ("", 1),
    ]  # fmt: skip


def test_an_empty_truth_is_no_truth_and_a_whole_number_has_no_point(run: Run, image: Path) -> None:
    truths = ["a cat", "", "  ", None, 2.0, 0.5, True]
    answers = ["a cat", "x", "x", "x", "two", "0.5", "true"]
    rows = [
        record(n, answer, truth)
        for n, (answer, truth) in enumerate(zip(answers, truths, strict=True))
    ]
    ended = run("compare", results(image.parent, rows, "a.jsonl"), "--json")
    found = json.loads(ended.stdout)
    assert (found["rows"], found["rows_with_truth"], found["files"][0]["right"]) == (7, 4, 1.0)
    assert "3 of 7 rows have no truth: they are neither right nor wrong" in ended.stderr


def test_a_note_counts_wrong_answers_with_the_right_words_among_others(
    run: Run, image: Path
) -> None:
    file = write_answers(image.parent, "a.jsonl", ["It is a cat.", "a catfish", "cat, dog", "cat"])
    ended = run("compare", file, "--json")
    assert json.loads(ended.stdout)["files"][0]["right"] == 0.25
    assert (
        "note: a.jsonl: 2 of 3 wrong answers have the right words among others, like 'It is a cat.'; to"
        ' get short answers, end the question with "Answer the question using a single word or phrase."'
    ) in ended.stderr
    assert "among others" not in run("compare", file, "--strict", "--truth", "wanted").stderr


def test_folders_of_eval_and_files_mix_and_have_different_names(run: Run, image: Path) -> None:
    folder = image.parent
    for name in ("one/run", "two/run"):
        (folder / name).mkdir(parents=True)
        write_answers(folder / name, "records.jsonl", ["a cat", name])
    a, b = folder / "one/run", folder / "two/run"
    assert [file.name for file in compare([a, b]).files] == [str(a), str(b)]
    assert [file.name for file in compare([a, b / "records.jsonl"]).files] == [
        "run",
        "records.jsonl",
    ]
    with_path = json.loads(run("compare", a, b, "--json").stdout)["files"]
    assert [file["file"] for file in with_path] == [str(each / "records.jsonl") for each in (a, b)]
    refused = run("compare", a, a / "records.jsonl")
    assert "are the same file" in refused.stderr


def test_a_table_of_batch_is_compared_by_its_records(run: Run, image: Path) -> None:
    table = image.parent / "a.csv"
    table.write_text("id,answer\n")
    write_answers(image.parent, "a.csv.jsonl", ["a cat", "a dog"])
    found = json.loads(run("compare", table, "--json").stdout)
    assert found["files"][0]["right"] == 0.5


def test_files_with_the_same_name_are_named_by_their_paths(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_answers(tmp_path / name, "records.jsonl", ["x"])
    paths = [tmp_path / name / "records.jsonl" for name in ("one", "two")]
    assert [file.name for file in compare(paths).files] == [str(path) for path in paths]
    paths[1].write_text("nothing\n")
    with pytest.raises(InputError, match=f"^{paths[1]} contains no record"):
        compare(paths)


def test_no_model_and_no_client_is_imported(files: tuple[Path, Path]) -> None:
    code = (
        "import sys; from vipllava_cli.cli.app import app\n"
        f"app(['compare', {str(files[0])!r}, {str(files[1])!r}], standalone_mode=False)\n"
        "assert not {'torch', 'transformers', 'openai'} & set(sys.modules)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr


# --- stored scores -----------------------------------------------------------------------------


def scored(folder: Path, name: str, scores: Sequence[Mapping[str, object] | None]) -> Path:
    """Write records with these scores. All answers differ between files, and none is the truth."""
    rows = [record(number, f"{name} {number}", scores=each) for number, each in enumerate(scores)]
    return results(folder, rows, name)


def test_stored_scores_of_a_common_scorer_decide_instead_of_the_truth(
    run: Run, image: Path
) -> None:
    a = scored(image.parent, "a.jsonl", [{"mine": 0, "judge": score} for score in (1, 0.5, 0)])
    b = scored(image.parent, "b.jsonl", [{"judge": score} for score in (0.9, 1.0, 0)])
    ended = run("compare", a, b, "--json")
    found = json.loads(ended.stdout)
    assert found["scorer"] == "judge"
    assert [(file["right"], file["score"]) for file in found["files"]] == [
        (0.3333, 0.5), (0.3333, 0.6333),
    ]  # fmt: skip
    (change,) = found["against_first"]
    assert (change["right_to_wrong"], change["wrong_to_right"]) == (["row-0"], ["row-1"])
    assert change["p_value"] == 1.0
    assert ended.stderr == 'note: an answer is right if its stored score by "judge" is 1\n'


def test_the_first_common_scorer_decides_and_the_option_overrides_it(run: Run, image: Path) -> None:
    scores = [{"published": 0.0, "lenient": 1.0}]
    a, b = (scored(image.parent, name, scores) for name in ("a.jsonl", "b.jsonl"))
    assert compare([a, b]).scorer == "published"
    assert compare([a, b], "wanted").scorer is None
    with pytest.raises(InputError, match=r"their columns are 'wanted'$"):
        compare([a, b], "answer")
    with pytest.raises(UsageError, match=r"add --truth COLUMN \(their columns are 'wanted'\)$"):
        compare([a, b], rule=AnswerRule(is_strict=True))


@pytest.mark.parametrize(
    "other",
    [
        [{"exact": 1}, None],  # a row without scores
        [{"exact": 1}, {"letter": 1}],  # no common scorer
        [{"exact": 1}, {"exact": "1"}],
        [None, None],
    ],
)
def test_without_a_score_for_every_row_the_truth_decides(
    image: Path, other: list[Mapping[str, object] | None]
) -> None:
    a = scored(image.parent, "a.jsonl", [{"exact": 1}, {"exact": 1}])
    comparison = compare([a, scored(image.parent, "b.jsonl", other)])
    assert (comparison.scorer, comparison.column) == (None, "wanted")
    assert comparison.right_share(comparison.first)[0] == 0


def test_scores_need_no_truth_and_a_failed_row_is_wrong(image: Path) -> None:
    rows = [record(0, "x", None, scores={"s": 1}), record(1, None, None, scores={"s": 1})]
    comparison = compare([results(image.parent, rows, name) for name in ("a.jsonl", "b.jsonl")])
    assert (comparison.scorer, comparison.column) == ("s", None)
    assert comparison.right_share(comparison.first)[0] == 0.5
    assert comparison.right_counts(comparison.first).failed == 1


def test_answers_that_a_judge_could_not_grade_are_neither_right_nor_wrong(
    run: Run, image: Path
) -> None:
    """`eval` stores an empty object of scores for them."""
    judge: list[Mapping[str, object]] = [{"judge": score} for score in (1, 0.5, 0)]
    a = scored(image.parent, "a.jsonl", [{}, *judge])
    b = scored(image.parent, "b.jsonl", [*judge, {}])
    ended = run("compare", a, b, "--json")
    assert "2 of 4 rows have an answer without a grade" in ended.stderr
    found = json.loads(ended.stdout)
    assert (found["rows"], found["scorer"]) == (4, "judge")
    assert [(f["right"], f["score"]) for f in found["files"]] == [(0.5, 0.75), (0.0, 0.25)]
    assert [each["of"] for each in found["files"][0]["labels"]] == [2]
    assert found["against_first"][0]["right_to_wrong"] == ["row-1"]
    page = image.parent / "page.html"
    run("compare", a, b, "-o", page)
    verdicts = [[each[2] for each in r["answers"][1:]] for r in blocks(page)["data"]["rows"]]
    assert verdicts == [["", ""], ["right", "wrong"], ["wrong", "wrong"], ["", ""]]
    comparison = compare([scored(image.parent, name, [{}]) for name in ("c.jsonl", "d.jsonl")])
    assert (comparison.scorer, comparison.column) == (None, "wanted")


def test_a_row_changes_if_another_judge_grades_the_same_answer_differently(image: Path) -> None:
    files = [
        results(image.parent, [record(n, "a cat", scores={"judge": score}) for n in range(6)], name)
        for name, score in (("a.jsonl", 0.5), ("b.jsonl", 1))
    ]
    (change,) = compare(files).changes
    assert list(change.changed) == list(change.fixes) == [f"row-{n}" for n in range(6)]
    assert change.p_value == 2 / 2**6
