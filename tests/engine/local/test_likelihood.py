"""`--choices`: how likely given answers are."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.conftest import Run
from tests.support.sample_scenes import open_sample
from vipllava_cli.engine.base import GenerationOptions
from vipllava_cli.engine.local.generate import LocalEngine
from vipllava_cli.engine.open import open_engine
from vipllava_cli.images.square import pad_to_square
from vipllava_cli.storage.journal import read_journal

pytestmark = pytest.mark.usefixtures("opened_once")

IMAGE = "sample_images/zoo-red-box.png"
QUESTION = "what is in the red box?"
CHOICES = ("a penguin", "an elephant", "a lion", "a", "a penguin and a lion", "no")


def log_likelihood_in_full(engine: Any, image: Any, choice: str, template: str) -> float:
    """The slow twin: the whole text in one run without a cache, and the stop after it."""
    text = engine.text(QUESTION, template) + " " + choice
    asked, ids = engine.encode(engine.text(QUESTION, template)), engine.encode(text)
    with torch.inference_mode():
        scores = engine.model(
            input_ids=torch.tensor([ids]), pixel_values=engine.view(image).pixels
        ).logits[0]
    scores = scores.double().log_softmax(-1)
    said = sum(scores[at - 1, ids[at]] for at in range(len(asked), len(ids)))
    stop = engine.encode(text + "###")[len(ids)]
    ends = [engine.tokenizer.eos_token_id, stop]
    return float(said + scores[-1, ends].logsumexp(0))


@pytest.mark.parametrize("template", ["human", "vicuna"])
def test_probabilities_are_those_of_a_full_run_for_each_choice(template: str) -> None:
    engine = open_engine("tiny", device="cpu")
    assert isinstance(engine, LocalEngine)
    image = pad_to_square(open_sample("zoo-red-box"))
    prompt = engine.prompt(engine.view(image), QUESTION, template)
    (answer,) = engine.answer([prompt], GenerationOptions(choices=CHOICES))
    found = [log_likelihood_in_full(engine, image, choice, template) for choice in CHOICES]
    shares = torch.tensor(found, dtype=torch.float64).softmax(0).tolist()
    assert [choice.text for choice in answer.choices] == list(CHOICES)
    for choice, likelihood, share in zip(answer.choices, found, shares, strict=True):
        assert choice.log_likelihood == pytest.approx(likelihood, abs=1e-3)
        assert choice.probability == pytest.approx(share, abs=1e-4)
    assert answer.text == CHOICES[found.index(max(found))]


def test_ask_answers_with_the_likeliest_and_says_how_likely_each_is(run: Run) -> None:
    result = run("ask", IMAGE, QUESTION, "--choices", "a lion,a penguin,an elephant")
    (generated,) = run("ask", IMAGE, QUESTION, "-q").stdout.splitlines()
    assert result.stdout == f"{generated}\n"
    lines = [line for line in result.stderr.splitlines() if "%" in line]
    assert len(lines) == 3
    assert lines[0].endswith(generated)
    shares = [float(line.split("%")[0]) for line in lines]
    assert sum(shares) == pytest.approx(100, abs=0.2)
    assert shares == sorted(shares, reverse=True)


def test_a_batch_weighs_as_single_asks_do(run: Run, tmp_path: Path) -> None:
    """And the same question without choices is another question."""
    out = tmp_path / "out.jsonl"
    command = ("batch", "sample_images", "--out", out, "--question", "what is marked?", "-q")
    choices = '["a penguin", "a piano"]'
    assert run(*command).code == 0
    assert run(*command, "--choices", choices).code == 0
    records = list(read_journal(out))
    assert len(records) >= 10
    for record in records[:3]:
        alone = run("ask", record["image"], "what is marked?", "--choices", choices, "--json")
        row = json.loads(alone.stdout)
        assert row["key"] == record["key"]
        assert row["answer"] == record["answer"]
        assert row["choices"] == record["choices"]
        assert row["options"]["choices"] == ["a penguin", "a piano"]


def test_a_row_of_a_manifest_brings_its_own_choices(run: Run, tmp_path: Path) -> None:
    """A list, or as typed after the flag; rows without any are weighed by the command line's."""
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
        asked = run("ask", IMAGE, QUESTION, "--choices", json.dumps(choices), "--json")
        alone = json.loads(asked.stdout)
        assert (alone["key"], alone["choices"]) == (record["key"], record["choices"])


def test_a_row_with_choices_that_are_none_fails_alone(run: Run, tmp_path: Path) -> None:
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
    ("choices", "says"),
    [
        ("a dog", "two or more different answers"),
        ("a dog,a dog", "two or more different answers"),
        ("a dog,,a cat", "has no words"),
        ('["a dog", 3]', "has no words"),
        ('["a dog"', "is no JSON list"),
        ("a dog,a ### cat", "control word"),
    ],
)
def test_choices_that_are_none_are_refused(run: Run, choices: str, says: str) -> None:
    result = run("ask", IMAGE, QUESTION, "--choices", choices)
    assert result.code == 2
    assert says in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_choices_are_not_sampled(run: Run) -> None:
    result = run("ask", IMAGE, QUESTION, "--choices", "a,b", "--temperature", "1")
    assert result.code == 2
    assert "leave out --temperature" in result.stderr
