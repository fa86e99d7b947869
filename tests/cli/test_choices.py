"""`--choices` in `ask`, `batch` and manifests."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Run
from vipllava_cli.storage.journal import read_journal

pytestmark = pytest.mark.model

IMAGE = "sample_images/zoo-red-box.png"
QUESTION = "what is in the red box?"


@pytest.fixture(autouse=True)
def _share_engines(opened_once: None) -> None:
    """Load the model once for all tests of this module."""


def test_ask_answers_with_the_likeliest_choice_and_prints_all_probabilities(run: Run) -> None:
    result = run("ask", IMAGE, QUESTION, "--choices", "a lion,a penguin,an elephant")
    (generated,) = run("ask", IMAGE, QUESTION, "-q").stdout.splitlines()
    assert result.stdout == f"{generated}\n"
    lines = [line for line in result.stderr.splitlines() if "%" in line]
    assert len(lines) == 3
    assert lines[0].endswith(generated)
    shares = [float(line.split("%")[0]) for line in lines]
    assert sum(shares) == pytest.approx(100, abs=0.2)
    assert shares == sorted(shares, reverse=True)


def check_choices(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """Compare texts, and numbers up to what other rows of a batch change in float32."""
    assert [choice["text"] for choice in found] == [choice["text"] for choice in expected]
    for one, other in zip(found, expected, strict=True):
        assert one["log_likelihood"] == pytest.approx(other["log_likelihood"], abs=1e-4)
        assert one["probability"] == pytest.approx(other["probability"], abs=1e-5)


def test_a_batch_scores_choices_as_single_asks_do(run: Run, tmp_path: Path) -> None:
    """The same question without choices has another key."""
    out = tmp_path / "out.jsonl"
    command = ("batch", "sample_images", "--out", out, "--question", "what is marked?", "-q")
    choices = '["a penguin", "a piano"]'
    assert run(*command).code == 0
    assert run(*command, "--choices", choices, "--force").code == 0
    records = list(read_journal(out))
    assert len(records) >= 10
    for record in records[:3]:
        alone = run("ask", record["image"], "what is marked?", "--choices", choices, "--json")
        row = json.loads(alone.stdout)
        assert row["key"] == record["key"]
        assert row["answer"] == record["answer"]
        check_choices(record["choices"], row["choices"])
        assert row["options"]["choices"] == ["a penguin", "a piano"]


def test_a_manifest_row_may_have_its_own_choices(run: Run, tmp_path: Path) -> None:
    """Choices are a list or text as for the flag; a row without any uses those of the flag."""
    image = str(Path(IMAGE).resolve())
    rows = [
        {"id": str(number), "image": image, "question": QUESTION, "choices": choices}
        for number, choices in enumerate([["a penguin", "a piano"], "a dog,a penguin,a cat", None])
    ]
    manifest, out = tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
    manifest.write_text("\n".join(map(json.dumps, rows)))
    result = run("batch", manifest, "--out", out, "--choices", "a lion,an owl", "-q")
    assert result.code == 0, result.stderr
    scored = [["a penguin", "a piano"], ["a dog", "a penguin", "a cat"], ["a lion", "an owl"]]
    for record, choices in zip(read_journal(out), scored, strict=True):
        assert [choice["text"] for choice in record["choices"]] == choices
        assert record["options"]["choices"] == choices
        result = run("ask", IMAGE, QUESTION, "--choices", json.dumps(choices), "--json")
        alone = json.loads(result.stdout)
        assert (alone["key"], alone["answer"]) == (record["key"], record["answer"])
        check_choices(record["choices"], alone["choices"])


def test_a_row_with_invalid_choices_fails_alone(run: Run, tmp_path: Path) -> None:
    rows = [
        {"image": str(Path(IMAGE).resolve()), "question": QUESTION, "choices": choices}
        for choices in (7, ["a dog"], ["a dog", "a penguin"])
    ]
    manifest, out = tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
    manifest.write_text("\n".join(map(json.dumps, rows)))
    assert run("batch", manifest, "--out", out, "-q").code == 6
    errors = [record["error"] for record in read_journal(out)]
    assert [error and error["message"].split(": ", 1)[0] for error in errors] == [
        f"{manifest}, line 1",
        f"{manifest}, line 2",
        None,
    ]
    assert all("two or more different answers" in error["message"] for error in errors[:2])


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ("a dog", "two or more different answers"),
        ("a dog,a dog", "two or more different answers"),
        ("a dog,,a cat", "is empty or not text"),
        ('["a dog", 3]', "is empty or not text"),
        ('["a dog"', "is not a JSON list"),
        ("a dog,a ### cat", "control word"),
    ],
)
def test_invalid_choices_are_refused(run: Run, choices: str, message: str) -> None:
    result = run("ask", IMAGE, QUESTION, "--choices", choices)
    assert result.code == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_choices_exclude_a_temperature(run: Run) -> None:
    result = run("ask", IMAGE, QUESTION, "--choices", "a,b", "--temperature", "1")
    assert result.code == 2
    assert "remove --temperature" in result.stderr
