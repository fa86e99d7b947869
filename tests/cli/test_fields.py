"""`--fields` and `--schema` in `ask` and `batch`, with the shipped model."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Run
from tests.support.sample_scenes import PLACES
from vipllava_cli.storage.journal import read_journal

pytestmark = pytest.mark.model

KIND = 'kind "what kind of thing is {1}?": an animal|food|a vehicle'
FIELDS = f'{KIND}; dog "is {{1}} a dog?": yes|no; big: boolean; thing "what is {{1}}?": free'
QUESTIONS = {
    "kind": ("what kind of thing is {1}?", "an animal,food,a vehicle"),
    "dog": ("is {1} a dog?", "yes,no"),
    "big": ("Is {1} big?", "yes,no"),
    "thing": ("what is {1}?", None),
}
GARDEN = ("sample_images/garden.png", "--box", "299,53,517,242")


@pytest.fixture(autouse=True)
def _share_engines(opened_once: None) -> None:
    """Load the model once for all tests of this module."""


def write_regions(folder: Path, **columns: Any) -> Path:
    """Write a manifest with a row for each object of two sample images."""
    rows = [
        {
            "id": f"{image}-{name}",
            "image": str(Path(f"sample_images/{image}.png").resolve()),
            "marks": [{"shape": "box", "coords": list(place)}],
            **columns,
        }
        for image in ("garden", "street")
        for name, place in PLACES[image].items()
    ]
    path = folder / "regions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_batch_of_fields_equals_single_questions(run: Run, tmp_path: Path) -> None:
    source, out = write_regions(tmp_path), tmp_path / "fields.jsonl"
    assert run("batch", source, "--out", out, "--fields", FIELDS, "-q").code == 0
    records = {record["id"]: record for record in read_journal(out)}
    assert len(records) == 8
    for name, (question, choices) in QUESTIONS.items():
        alone = tmp_path / f"{name}.jsonl"
        options = () if choices is None else ("--choices", choices)
        assert run("batch", source, "--out", alone, "--question", question, *options).code == 0
        for single in read_journal(alone):
            record = records[single["id"]]
            answer = single["answer"]
            assert record["fields"][name] == (answer == "yes" if name == "big" else answer)
            expected = {each["text"]: each["probability"] for each in single.get("choices", ())}
            assert record["field_probabilities"].get(name, {}) == pytest.approx(expected, abs=1e-4)
    answers = {record["fields"]["thing"] for record in records.values()}
    assert {"a dog", "a bus", "a rose"} <= answers
    dogs = [id for id, record in records.items() if record["fields"]["dog"] == "yes"]
    assert dogs == ["street-dog"]


def test_ask_prints_aligned_fields_and_their_probabilities(run: Run) -> None:
    result = run("ask", *GARDEN, "--fields", f"{KIND}; thing: free; n: integer")
    lines = result.stdout.splitlines()
    assert lines[0] == "kind   an animal"
    assert lines[1].startswith("thing  ")
    assert lines[2:] == ["n"]  # no number in the answer
    shares = [line for line in result.stderr.splitlines() if "%" in line]
    assert len(shares) == 1
    assert shares[0].startswith("kind: ")
    assert shares[0].split("% ")[1].split(",")[0] == "an animal"


def test_ask_and_batch_write_the_same_record(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    row = json.loads(run("ask", *GARDEN, "--fields", FIELDS, "--json", "-q").stdout)
    assert run("batch", *GARDEN, "--out", out, "--fields", FIELDS, "-q").code == 0
    (record,) = read_journal(out)
    assert record["key"] == row["key"]
    assert record["fields"] == row["fields"]
    assert row["answer"].startswith("kind: an animal; dog: no; big: ")
    phrase = "the object within the red rectangle"
    assert row["question"].split("\n") == [
        f"what kind of thing is {phrase}?",
        f"is {phrase} a dog?",
        f"Is {phrase} big?",
        f"what is {phrase}?",
    ]
    assert [field["name"] for field in row["options"]["fields"]] == list(QUESTIONS)
    assert "choices" not in row


def test_a_schema_gives_the_fields(run: Run, tmp_path: Path) -> None:
    schema = tmp_path / "part.json"
    properties = {
        "kind": {"enum": ["an animal", "food"], "description": "what kind of thing is {1}?"},
        "dog": {"type": "boolean", "description": "is {1} a dog?"},
        "wheels": {"type": "integer", "enum": [2, 4], "maximum": 4},
        "thing": {"type": "string", "description": "what is {1}?"},
    }
    schema.write_text(json.dumps({"type": "object", "properties": properties}))
    result = run("ask", *GARDEN, "--schema", schema, "--json")
    fields = json.loads(result.stdout)["fields"]
    assert fields == {
        "kind": "an animal", "dog": False, "wheels": fields["wheels"], "thing": "a butterfly"
    }  # fmt: skip
    assert fields["wheels"] in (2, 4)
    assert "property 'wheels': answers are not checked for maximum" in result.stderr


def test_a_question_of_a_field_names_columns_and_other_marks(run: Run, tmp_path: Path) -> None:
    source, out = write_regions(tmp_path, name="dog"), tmp_path / "out.jsonl"
    fields = 'same "is {1} a {name}?": yes|no'
    assert run("batch", source, "--out", out, "--fields", fields, "-q").code == 0
    records = {record["id"]: record for record in read_journal(out)}
    assert records["street-dog"]["fields"] == {"same": "yes"}
    assert records["garden-rose"]["fields"] == {"same": "no"}
    two = (*GARDEN, "--box", "317,320,556,572")
    asked = run("ask", *two, "--fields", 'other "what is {2}?": free')
    assert asked.stdout == "other  a snail\n"
    assert "the first mark" not in asked.stderr
    assert "{1}, the first mark" in run("ask", *two, "--fields", "big: yes|no").stderr


def test_other_fields_are_another_request(run: Run, tmp_path: Path) -> None:
    """The same fields keep their answers; an added, removed or changed one refuses, as a question."""
    source, out = write_regions(tmp_path), tmp_path / "out.jsonl"
    command = ("batch", source, "--out", out)
    assert run(*command, "--fields", KIND).code == 0
    before = out.read_bytes()
    again = run(*command, "--fields", KIND)
    assert (again.code, out.read_bytes()) == (0, before)
    assert "8 kept from an earlier run" in " ".join(again.stderr.split())
    for fields, words in (
        (f"{KIND}; big: yes|no", "already answers"),
        (KIND.replace("|a vehicle", ""), "--fields kind: an animal|food|a vehicle"),
        (KIND.replace('kind "', 'sort "'), "--fields kind: an animal"),
    ):
        refused = run(*command, "--fields", fields)
        assert refused.code == 3
        assert words in " ".join(refused.stderr.split())
        assert out.read_bytes() == before
    assert run(*command, "--fields", f"{KIND}; big: yes|no", "--append").code == 0
    assert len(list(read_journal(out))) == 16


def test_a_table_has_columns_for_the_fields(run: Run, tmp_path: Path) -> None:
    source, out = write_regions(tmp_path, kind="given", model="x"), tmp_path / "out.csv"
    fields = f"{KIND}; model: yes|no"
    assert run("batch", source, "--out", out, "--fields", fields, "-q").code == 0
    rows = list(csv.DictReader(out.read_text().splitlines(keepends=True)))
    assert {row["kind"] for row in rows} <= {"an animal", "food", "a vehicle"}
    assert all(0.3 < float(row["kind.probability"]) <= 1 for row in rows)
    assert {row["extra_kind"] for row in rows} == {"given"}
    assert {row["model"] for row in rows} == {"tiny"}
    assert {row["field_model"] for row in rows} <= {"yes", "no"}
    names = list(rows[0])
    assert names[names.index("answer") + 1 :][:2] == ["kind", "kind.probability"]


def test_rows_with_questions_of_their_own_are_asked_the_fields(run: Run, tmp_path: Path) -> None:
    source = write_regions(tmp_path, question="what is this?", choices=["a", "b"])
    out = tmp_path / "out.jsonl"
    result = run("batch", source, "--out", out, "--fields", KIND)
    assert result.code == 0
    assert "the fields replace the questions and the choices of the row" in result.stderr
    assert all(set(record["fields"]) == {"kind"} for record in read_journal(out))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("what is it?", "--fields", KIND), 2, "asks a question for each field: remove the question"),
        (("--fields", KIND, "--choices", "a,b"), 2, "remove --choices, or write a field"),
        (("--fields", KIND, "--temperature", "1"), 2, "remove --temperature"),
        (("--fields", KIND, "--schema", "x.json"), 2, "give one of them"),
        (("--fields", "kind: animal"), 2, "--fields: the field 'kind' has one value, 'animal'"),
        (("--fields", " ; "), 2, "--fields: expected fields like"),
        (("--fields", ""), 2, "the value of --fields is empty"),
        (("--fields", 'a "what is {2}?": x|y'), 2, "only 1 mark is drawn"),
        (("--schema", "missing.json"), 3, "there is no file missing.json"),
    ],
)  # fmt: skip
def test_a_wrong_combination_is_one_line(
    run: Run, arguments: tuple[str, ...], code: int, message: str
) -> None:
    result = run("ask", *GARDEN, *arguments)
    assert (result.code, result.stdout) == (code, "")
    assert message in result.stderr
    assert result.stderr.count("error:") == 1


def test_batch_refuses_a_question_beside_fields(run: Run, tmp_path: Path) -> None:
    result = run(
        "batch", *GARDEN, "--out", tmp_path / "o.jsonl", "--fields", KIND, "--question", "?"
    )
    assert result.code == 2
    assert "remove --question, or make it the question of a field" in result.stderr
