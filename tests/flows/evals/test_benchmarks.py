"""`eval` on the four published benchmarks: what is asked, what counts as right, what is kept."""

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import SAMPLES, Run
from tests.support import benchmark_files as files
from vipllava_cli.flows.evals import scorers as rules
from vipllava_cli.flows.evals import vcr, visual7w
from vipllava_cli.flows.evals.dataset import Case, Result
from vipllava_cli.flows.evals.metrics import Metric, ScoreCounts, metrics, to_markdown
from vipllava_cli.storage.journal import read_journal

pytestmark = pytest.mark.usefixtures("opened_once")

QUIET = ("-q", "--model", "tiny", "--device", "cpu")
LETTER_LINE = "Answer with the option's letter from the given choices directly."


def records_of(folder: Path) -> dict[str, dict[str, Any]]:
    return {record["id"]: record for record in read_journal(folder / "records.jsonl")}


def share(scores: Mapping[str, Any], rule: str, group: str = "all") -> tuple[float, int]:
    (found,) = (f for f in scores["figures"] if (f["rule"], f["group"]) == (rule, group))
    return found["right"], found["of"]


# --- Visual7W ------------------------------------------------------------------------------------


def test_visual7w_asks_as_published_and_scores_what_was_answered(run: Run, tmp_path: Path) -> None:
    data, out = files.visual7w(tmp_path / "data", 5), tmp_path / "out"
    result = run("eval", "visual7w", "--data", data, "--out", out, "--json", *QUIET)
    assert result.code == 0, result.stderr
    rows, records = json.loads((data / "rows.json").read_text()), records_of(out)
    assert list(records) == [row["id"] for row in rows]
    published = 0
    for row in rows:
        record = records[row["id"]]
        asked, *options, last = record["question"].split("\n")
        assert (asked, last) == (row["question"], LETTER_LINE)
        colors = [mark["color"] for mark in record["marks"]]
        assert options == [
            f"{letter}. The object within the {color} rectangle"
            for letter, color in zip("ABCD", colors, strict=True)
        ]
        assert len(set(colors)) == 4
        assert [mark["coords"] for mark in record["marks"]] == row["bboxes"]
        assert all(mark["width"] == 3 for mark in record["marks"])
        assert all(mark["alpha"] == pytest.approx(128 / 255) for mark in record["marks"])
        right = "ABCD"[row["bboxes"].index(row["answer"])]
        assert record["extra"] == {"wanted": right}
        published += record["answer"].strip().lower() == right.lower()
    scores = json.loads(result.stdout)
    assert share(scores, "published") == (published / 5, 5)
    assert json.loads((out / "scores.json").read_text()) == scores
    assert scores["figures"][0]["published"] == {"ViP-LLaVA 7B": 86.6, "ViP-LLaVA 13B": 87.91}
    with (out / "scores.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [row["rule"] for row in table] == ["published", "lenient"]
    assert "| published | all | " in (out / "scores.md").read_text()


def test_letters_by_likelihood_are_the_likeliest_and_a_second_run_asks_nothing(
    run: Run, tmp_path: Path
) -> None:
    data, out = files.visual7w(tmp_path / "data", 3), tmp_path / "out"
    command = ("eval", "visual7w", "--data", data, "--out", out, "--by", "likelihood", *QUIET)
    assert run(*command).code == 0
    kept = (out / "records.jsonl").stat()
    for record in records_of(out).values():
        assert [choice["text"] for choice in record["choices"]] == list("ABCD")
        best = max(record["choices"], key=lambda choice: choice["probability"])
        assert record["answer"] == best["text"]
    assert run(*command).code == 0
    again = (out / "records.jsonl").stat()
    assert (again.st_ino, again.st_mtime_ns) == (kept.st_ino, kept.st_mtime_ns)


@pytest.mark.parametrize("name", ["visual7w", "vcr"])
def test_options_by_text_are_answers_to_the_question_alone(
    run: Run, tmp_path: Path, name: str
) -> None:
    """As `ask --choices` weighs them; both rules count the option that is likeliest."""
    data, out = getattr(files, name)(tmp_path / "data", 4), tmp_path / "out"
    command = ("eval", name, "--data", data, "--out", out, "--by", "text", "--json", *QUIET)
    result = run(*command)
    assert result.code == 0, result.stderr
    right = 0
    for record in records_of(out).values():
        assert LETTER_LINE not in record["question"]
        assert "\n" not in record["question"]
        assert record["extra"]["wanted"] in record["options"]["choices"]
        best = max(record["choices"], key=lambda choice: choice["log_likelihood"])
        assert record["answer"] == best["text"]
        right += record["answer"] == record["extra"]["wanted"]
    scores = json.loads(result.stdout)
    groups = {"visual7w": ("all",), "vcr": ("Q to A", "QA to R")}[name]
    for rule in ("published", "lenient"):
        assert sum(share(scores, rule, group)[0] * 4 for group in groups) == right


def test_the_marked_thing_that_is_asked_for_is_found(run: Run, tmp_path: Path) -> None:
    """The card says 98 of 100; of so few a chance may take some."""
    data, out = files.visual7w(tmp_path / "data", 40), tmp_path / "out"
    command = ("eval", "visual7w", "--data", data, "--out", out, "--by", "text", "--json", *QUIET)
    scores = json.loads(run(*command).stdout)
    right, of = share(scores, "published")
    assert (right >= 0.9, of) == (True, 40)
    assert share(scores, "lenient") == (right, of)


def test_colours_depend_on_the_seed_and_the_row_alone(tmp_path: Path) -> None:
    data = files.visual7w(tmp_path / "data", 4)

    def colors(seed: int, limit: int | None) -> list[list[str]]:
        samples = visual7w.samples(data, None, limit, seed)
        return [[str(mark.color) for mark in page.marks] for page in samples]

    assert colors(0, None)[:2] == colors(0, 2)
    assert colors(0, None) != colors(1, None)
    assert len({tuple(each) for each in colors(0, None)}) > 1


# --- PointQA and VCR -------------------------------------------------------------------------------


def test_pointqa_draws_a_red_box_and_asks_for_a_phrase(run: Run, tmp_path: Path) -> None:
    data, out = files.pointqa(tmp_path / "data", 4), tmp_path / "out"
    result = run("eval", "pointqa", "--data", data, "--out", out, "--json", *QUIET)
    assert result.code == 0, result.stderr
    rows = {row["id"]: row for row in json.loads((data / "rows.json").read_text())}
    exact = lenient = 0
    for id, record in records_of(out).items():
        assert record["question"] == (
            "what is the object in the red box? The exemplary object is within the rectangle.\n"
            "Answer the question using a single word or phrase."
        )
        (mark,) = record["marks"]
        assert (mark["shape"], mark["color"], mark["coords"]) == (
            "box",
            "red",
            rows[id]["bboxes"][0],
        )
        answer, wanted = record["answer"].lower().rstrip("."), rows[id]["answer"]
        exact += record["answer"].lower() == wanted
        lenient += answer.removeprefix("a ").removeprefix("an ") == wanted
    scores = json.loads(result.stdout)
    assert share(scores, "published") == (exact / 4, 4)
    assert share(scores, "lenient") == (lenient / 4, 4)
    assert lenient > 0


def test_vcr_names_each_object_by_its_point_and_counts_rows_where_both_are_right(
    run: Run, tmp_path: Path
) -> None:
    data, out = files.vcr(tmp_path / "data", 3), tmp_path / "out"
    result = run("eval", "vcr", "--data", data, "--out", out, "--json", *QUIET)
    assert result.code == 0, result.stderr
    rows, records = json.loads((data / "rows.json").read_text()), records_of(out)
    for row in rows:
        asked, answers = row["class_names"][0], row["class_names"]
        answer, rationale = (records[f"{row['id']}/{part}"] for part in ("answer", "rationale"))
        (mark,) = answer["marks"]
        lines = answer["question"].split("\n")
        assert lines[0] == f"What is the {asked} at {mark['color']} point?"
        assert lines[1:5] == [
            f"{letter}. a {name}." for letter, name in zip("ABCD", answers, strict=True)
        ]
        left, top, right, bottom = files.boxes(files.scenes(3)[int(row["id"][4:])])[0]
        assert mark["coords"] == pytest.approx([(left + right) / 2, (top + bottom) / 2])
        first, *options, _ = rationale["question"].split("\n")
        color = rationale["marks"][0]["color"]
        assert first.endswith(
            f'"What is the {asked} at {color} point?" The answer is "a {asked}.".What is the rationale'
            " for this decision?"
        )
        assert options == [
            f"{letter}. Because the {name} at {mark['color']} point is there."
            for letter, name, mark in zip("ABCD", answers, rationale["marks"], strict=True)
        ]
    scores = json.loads(result.stdout)
    judged = [
        [records[f"{row['id']}/{part}"]["answer"] == "A" for part in ("answer", "rationale")]
        for row in rows
    ]
    wanted = {"Q to A": sum(a for a, _ in judged), "Q to AR": sum(a and r for a, r in judged)}
    for group, count in wanted.items():
        assert share(scores, "published", group) == (round(count / 3, 4), 3)


def test_both_must_be_right_and_one_that_failed_is_a_failure() -> None:
    def result(id: str, answer: str | None) -> Result:
        return Result(id, Case("?", "A", {"task": "Q to A"}), answer)

    answers: dict[str, str | None] = {
        "1/answer": "A",
        "1/rationale": "a",
        "2/answer": "A",
        "2/rationale": "B",
    }
    answers |= {"3/answer": "A", "3/rationale": None}
    both = vcr.both([result(*each) for each in answers.items()], rules.published)
    (metric,) = metrics(both, {"published": rules.published})
    assert metric.right == pytest.approx(1 / 3)
    assert (metric.of, metric.failed) == (3, 1)


def test_a_point_lies_on_the_object_where_the_middle_of_its_box_does_not(tmp_path: Path) -> None:
    """An object like the letter L: the middle of its box is empty."""
    corner = [[10, 10], [20, 10], [20, 80], [90, 80], [90, 90], [10, 90]]
    data = files.vcr(tmp_path, 1)
    meta = json.loads((data / "vcr1images/0.json").read_text())
    meta["boxes"][0], meta["segms"][0] = [10, 10, 90, 90, 1.0], [corner]
    (data / "vcr1images/0.json").write_text(json.dumps(meta))
    page = next(vcr.samples(data, None, None, 0))
    x, y = (coordinate.value for coordinate in page.marks[0].parts[0])
    assert (10 < x < 20 and 10 < y < 90) or (10 < x < 90 and 80 < y < 90)


# --- ViP-Bench -------------------------------------------------------------------------------------

# In these images of sample_images the marks are drawn, and the model is right about them.
VIP_ROWS = [
    ("0", SAMPLES / "zoo-red-box.png", "what is in the red box?", "bird<OR>penguin", ["rec"]),
    (
        "1",
        SAMPLES / "zoo-red-box.png",
        "what is in the red box?",
        "penguin<AND>ice",
        ["rec", "know"],
    ),
    ("2", SAMPLES / "sky-two-marks.png", "what is in the red box?", "rocket", ["rec", "ocr"]),
    ("7", SAMPLES / "sky-two-marks.png", "what is in the red box?", "kite", ["know"]),
]
SUMS = {"rec": 2 / 3, "know": 0.0, "ocr": 1.0}
SETS = {"rec": 1.0, "know+rec": 0.0, "ocr+rec": 1.0, "know": 0.0}


def test_vip_bench_sums_scores_by_capability_and_by_exact_set(run: Run, tmp_path: Path) -> None:
    data, out = files.vip_bench(tmp_path / "data", VIP_ROWS), tmp_path / "out"
    command = (
        "eval",
        "vip-bench",
        "--data",
        data,
        "--split",
        "human",
        "--judge",
        "exact",
        "--json",
    )
    result = run(*command, "--out", out, *QUIET)
    assert result.code == 0, result.stderr
    scores = json.loads(result.stdout)
    judge = scores["judge"]
    assert "no judge" in judge
    assert share(scores, judge) == (0.5, 4)  # over all rows, not over capabilities
    found = {(f["what"], f["group"]): f["right"] for f in scores["figures"]}
    assert {group: found["capability", group] for group in SUMS} == pytest.approx(SUMS, abs=1e-4)
    assert {group: found["exact set", group] for group in SETS} == SETS
    predictions = json.loads((out / "predictions.json").read_text())
    assert list(predictions) == ["v1_0", "v1_1", "v1_2", "v1_7"]
    assert "penguin" in predictions["v1_0"]

    stored = tmp_path / "stored.json"
    stored.write_text(json.dumps({**predictions, "v1_7": "a kite", "v1_99": "left over"}))
    graded = run(*command, "--out", tmp_path / "graded", "--predictions", stored)
    assert graded.code == 0, graded.stderr
    assert share(json.loads(graded.stdout), judge) == (0.75, 4)
    assert "1 of the predictions answer no question" in graded.stderr

    stored.write_text(json.dumps({"v1_0": "a penguin"}))
    graded = run(*command, "--out", tmp_path / "some", "--predictions", stored, "-q")
    assert graded.code == 6
    scores = json.loads(graded.stdout)
    assert (share(scores, judge), scores["failed"]) == ((0.25, 4), 3)


def test_without_a_judge_there_are_predictions_and_a_line_that_says_how_to_go_on(
    run: Run, tmp_path: Path
) -> None:
    data = files.vip_bench(tmp_path / "data", VIP_ROWS[:1])
    result = run("eval", "vip-bench", "--data", data, "--out", tmp_path / "out", "--model", "tiny")
    assert (result.code, result.stdout) == (0, "")
    assert "nothing is graded: --judge-url and --judge-model" in result.stderr
    assert (tmp_path / "out/predictions.json").exists()


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--judge-url", "http://localhost:1/v1"), "add --judge-model NAME"),
        (("--judge", "exact", "--judge-model", "m"), "leave out --judge-url and --judge-model"),
        (("--judge-url", "nowhere", "--judge-model", "m"), "is an address like"),
    ],
)
def test_half_a_judge_is_refused(
    run: Run, tmp_path: Path, flags: tuple[str, ...], says: str
) -> None:
    result = run("eval", "vip-bench", "--data", tmp_path, "--out", tmp_path / "out", *flags)
    assert result.code == 2
    assert says in result.stderr


# --- what counts as right --------------------------------------------------------------------------

OPTIONS = ("The dog", "The cat", "The tree", "The car")


@pytest.mark.parametrize(
    ("answer", "strict", "lenient"),
    [
        ("B", 1, 1),
        (" b ", 1, 1),
        ("B.", 0, 1),
        ("(B)", 0, 1),
        ("B. The cat", 0, 1),
        ("B: cat", 0, 1),
        ("The answer is B.", 0, 1),
        ("The correct option is (B)", 0, 1),
        ("the cat", 0, 1),
        ("A", 0, 0),
        ("a cat", 0, 1),  # an article; the words are the option's
        ("A or B", 0, 0),
        ("answer A, or answer B", 0, 0),
        ("", 0, 0),
        ("Because it is a cat", 0, 0),
    ],
)
def test_letters(answer: str, strict: float, lenient: float) -> None:
    result = Result("0", Case("?", "B", {}, OPTIONS), answer)
    assert rules.published(result) == strict
    assert rules.by_letter(result) == lenient


@pytest.mark.parametrize(
    ("wanted", "answer", "strict", "lenient"),
    [
        ("2", "two", 0, 1),
        ("dog", "A dog.", 0, 1),
        ("yes", "Yes", 1, 1),
        ("yes", "yes, it is", 0, 0),
        ("dog", "", 0, 0),
    ],
)
def test_phrases(wanted: str, answer: str, strict: float, lenient: float) -> None:
    result = Result("0", Case("?", wanted, {}), answer)
    assert (rules.published(result), rules.by_phrase(result)) == (strict, lenient)


def test_intervals_are_those_of_resampled_scores() -> None:
    """Against rows that are really drawn again."""
    scores = ScoreCounts()
    values = [1.0] * 60 + [0.5] * 20 + [0.0] * 40
    for value in values:
        scores.add(value, failed=False)
    rng = np.random.default_rng(1)
    drawn = [rng.choice(values, len(values)).mean() for _ in range(4000)]
    assert scores.interval() == pytest.approx(np.percentile(drawn, (2.5, 97.5)), abs=0.01)
    certain = ScoreCounts()
    certain.add(1.0, failed=False)
    assert certain.interval() == (1.0, 1.0)


def test_a_table_survives_what_is_in_its_cells() -> None:
    metric = Metric("a|b", "all", "all", 0.5, 2, 0, 0.1, 0.9)
    lines = to_markdown([metric], "x", {"model": "a\nb"}).splitlines()
    assert lines[0] == "# x"
    assert r"| a\|b | all | 50.0 | 10.0-90.0 | 2 | 0 |" in lines


# --- bad input -------------------------------------------------------------------------------------

Spoil = Callable[[dict[str, Any]], Any]
OUTSIDE = [5000, 5000, 6000, 6000]


def spoiled(change: Mapping[str, Any]) -> Spoil:
    return lambda row: {**row, **change}


BAD_ROWS: list[tuple[str, Spoil, str]] = [
    ("visual7w", spoiled({"image": "gone.png"}), "there is no gone.png"),
    ("visual7w", spoiled({"answer": [1, 2, 3, 4]}), "one of the bboxes"),
    (
        "visual7w",
        spoiled({"bboxes": [OUTSIDE] * 3 + [[1, 2, 3, 4]], "answer": [1, 2, 3, 4]}),
        "outside",
    ),
    ("visual7w", spoiled({"bboxes": [[1, 2, 3, 4]] * 4, "answer": [1, 2, 3, 4]}), "which letter"),
    ("visual7w", spoiled({"bboxes": [[1, 2, 3]] * 4}), "expected a box"),
    ("visual7w", spoiled({"bboxes": "none"}), 'expected "bboxes" with 4'),
    ("visual7w", spoiled({"question": 7}), 'expected a text "question"'),
    ("visual7w", lambda row: "text", "is no object"),
    ("pointqa", spoiled({"bboxes": []}), 'expected "bboxes" with 1'),
    ("pointqa", spoiled({"answer": None}), 'expected a text "answer"'),
    ("vcr", spoiled({"question": ["Who", "is", [9], "?"]}), "object 9 is named"),
    ("vcr", spoiled({"question": "Who?"}), 'expected "question", a list'),
    ("vcr", spoiled({"answer_label": 4}), "a number from 0 to 3"),
    ("vcr", spoiled({"meta_dir": "gone.json"}), "there is no gone.json"),
    ("vcr", spoiled({"meta_dir": "rows.json"}), "is no meta file"),
    ("vcr", spoiled({"answer_choices": [["one"]]}), "with 4 choices"),
]


@pytest.mark.parametrize("name", ["visual7w", "pointqa", "vcr"])
def test_rows_that_cannot_be_asked_are_recorded_and_count(
    run: Run, tmp_path: Path, name: str
) -> None:
    write: Callable[[Path, int], Path] = getattr(files, name)
    data, out = write(tmp_path / "data", 1), tmp_path / "out"
    (good,) = json.loads((data / "rows.json").read_text())
    spoils = [(spoil, says) for of, spoil, says in BAD_ROWS if of == name]
    bad = [spoil({**good, "id": f"bad-{number}"}) for number, (spoil, _) in enumerate(spoils)]
    files.write_rows(data, [*bad, good])
    result = run("eval", name, "--data", data, "--out", out, "--json", *QUIET)
    assert result.code == 6, result.stderr
    scores = json.loads(result.stdout)
    failed = [record for record in records_of(out).values() if record["error"]]
    assert len(failed) == scores["failed"] == len(bad)
    for record, (_, says) in zip(failed, spoils, strict=True):
        assert says in record["error"]["message"]
    for metric in scores["figures"]:
        assert (metric["of"], metric["failed"]) == (len(bad) + 1, len(bad))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda folder: None, "there is no folder"),
        (lambda folder: folder.mkdir(), "has no JSON file"),
        (lambda folder: files.write_rows(files.write_rows(folder, []), [], "b.json"), "several"),
        (lambda folder: files.write_rows(folder, {"a": 1}), "holds no array"),  # type: ignore[arg-type]
    ],
)
@pytest.mark.parametrize("name", ["visual7w", "vcr"])
def test_a_folder_that_is_another_says_what_was_expected(
    run: Run, tmp_path: Path, name: str, make: Callable[[Path], object], says: str
) -> None:
    make(tmp_path / "data")
    result = run("eval", name, "--data", tmp_path / "data", "--out", tmp_path / "out", *QUIET)
    assert (result.code, result.stdout) == (3, "")
    assert says in result.stderr
    assert "expected" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_vip_bench_says_what_it_wants(run: Run, tmp_path: Path) -> None:
    command = ("eval", "vip-bench", "--data", tmp_path, "--out", tmp_path / "out", *QUIET)
    result = run(*command)
    assert result.code == 3
    assert "vip-bench-meta-data.json" in result.stderr
    files.vip_bench(tmp_path / "a", VIP_ROWS[:2])
    meta = tmp_path / "a/vip-bench-meta-data.json"
    kept = json.loads(meta.read_text())
    del kept["v1_1"]
    meta.write_text(json.dumps(kept))
    out = tmp_path / "out"
    result = run(
        "eval", "vip-bench", "--data", tmp_path / "a", "--out", out, "--judge", "exact", *QUIET
    )
    assert result.code == 6
    assert "has no v1_1" in records_of(out)["v1_1"]["error"]["message"]


def test_ids_that_two_rows_have_are_told_apart(run: Run, tmp_path: Path) -> None:
    data, out = files.pointqa(tmp_path / "data", 2), tmp_path / "out"
    rows = [{**row, "id": "same"} for row in json.loads((data / "rows.json").read_text())]
    files.write_rows(data, rows)
    result = run("eval", "pointqa", "--data", data, "--out", out, "--json", *QUIET)
    assert share(json.loads(result.stdout), "published")[1] == 2
    wanted = {record["extra"]["wanted"] for record in records_of(out).values()}
    assert wanted == {row["answer"] for row in rows}
