"""The score in a judge's reply."""

import time

import pytest

from vipllava_cli.flows.evals.judges.score_text import read_score


@pytest.mark.parametrize(
    ("reply", "score"),
    [
        ("0.7", 0.7), ("1", 1.0), ("0", 0.0), (" 0.3 because it is near", 0.3), ("1.0\nGood", 1.0),
        ("0.7.", 0.7), (".8", 0.8), ("0,8", 0.8), ("+0.8", 0.8), ("1e-1", 0.1), ("0.8 points", 0.8),
        ("**0.8**", 0.8), ("`0.8`", 0.8), ("(0.8)", 0.8), ('"0.8"', 0.8), ("[[0.8]]", 0.8),
        ("0.8/1.0", 0.8), ("0.8/1", 0.8), ("8/10", 0.8), ("4/5", 0.8), ("0.8 out of 1.0", 0.8),
        ("100%", 1.0), ("80 %", 0.8), (r"\boxed{0.8}", 0.8), (r"$\boxed{\text{0.8}}$", 0.8),
        (r"\boxed{\frac{4}{5}}", 0.8), ("<score>0.8</score>", 0.8),
        ("Score: 0.8", 0.8), ("Grade: 1.0", 1.0), ("**Score:** 0.8", 0.8), ("Score: **0.8**/1.0", 0.8),
        ("Score\uff1a\uff10.\uff18", 0.8), ("score=0.8", 0.8), ("# Score\n0.8", 0.8),
        ("The score is 0.8", 0.8), ("The final score is **0.8**.", 0.8), ("1. Score: 0.8", 0.8),
        ('{"score": 0.8}', 0.8), ('```json\n{"score": "0.8"}\n```', 0.8),
        ("Final answer: 0.8", 0.8), ("\u5206\u6570\uff1a0.8", 0.8), ("Bewertung: 0,8", 0.8),
        ("I would give this answer 0.8.", 0.8), ("I'd rate this 0.8 out of 1.0", 0.8),
        ("The answer is right. 1.0", 1.0), ("Score (out of 1): 0.8", 0.8), ("\u2705 0.8", 0.8),
        ("\u200b0.8", 0.8), ("\u00bd", 0.5), ("1 because it is right", 1.0), ("0 - it is wrong", 0.0),
        ("1. The answer is right", 1.0),
        ('{"reason": "0.2 seems low", "score": 0.8}', 0.8), ('Here: {"score": 0.8}', 0.8),
    ],
)  # fmt: skip
def test_a_number_is_read_in_the_forms_that_judges_write(reply: str, score: float) -> None:
    assert read_score(reply) == pytest.approx(score)


@pytest.mark.parametrize(
    "reply",
    [
        "<think>maybe 0.2</think>0.8",
        "<think>\nScore: 0.2\n</think>\nScore: 0.8",
        "maybe 0.3, no, 1.0</think>\n\n0.8",
        "<thinking>0.1</thinking>**0.8**",
        "[THINK]0.3[/THINK]0.8",
        "\u25c1think\u25b70.3\u25c1/think\u25b70.8",
        "<|channel|>analysis<|message|>0.2<|end|><|start|>assistant<|channel|>final<|message|>0.8",
    ],
)
def test_thoughts_do_not_count(reply: str) -> None:
    assert read_score(reply) == 0.8


@pytest.mark.parametrize(
    "reply",
    [
        "On a scale from 0.0 to 1.0, the score is 0.8.",
        "Score (0.0 to 1.0): 0.8",
        "Score (0-1): 0.8",
        "The score is: 0.8 (on a scale of 0.0 to 1.0, in steps of 0.1)",
    ],
)
def test_the_scale_is_no_score(reply: str) -> None:
    assert read_score(reply) == 0.8


@pytest.mark.parametrize(
    "reply",
    [
        "Score: 0.2\nNo, the frog is right too.\nScore: 0.8",
        "It names 2 of 3 animals, so 0.3 or 0.4 might fit.\nScore: 0.8",
        "The truth is 0.75, the answer 0.75.\n**Final score: 0.8/1**",
        "Score: 0.8\nThe answer names 2 of the 3 parts.",
        "The answer is near.\n\n0.8",
    ],
)
def test_a_line_of_a_score_decides(reply: str) -> None:
    assert read_score(reply) == 0.8


@pytest.mark.parametrize(
    "reply",
    [
        "", "  ", "half", "I can't grade this", "Score:", "nan", "inf", "Score: NaN", "1.1", "-0.1", "7",
        "Score: 7", "Score: -0.5", "12/10", "150%", "0.5%", "1/0", "0.8/10", "1,000", "v0.8", "1.0.0",
        "0.8 or 0.9", "0.2 0.8", "0.8-0.9", "0.8 to 0.9", "Score: 0.8 or 0.5", "Score: 0.8-0.9",
        "Score: 0.8 and Grade: 0.7", "Score: 0.3\nScore: 0.8\nThat is it", "0.0 to 1.0", "0-1",
        "between 0.0 and 1.0", "The answer is 0.75, which is right", "Question: 0.75 Answer: 0.75",
        "The right answer is 0.8", "Answer: 0.8", "1 of 2", "1 of the parts is right", "1 part is right",
        "1. The heron is right.\n2. The frog is missing.", "<think>0.8", "<think>so\nScore: 0.8",
        '{"score": 5}',
        '{"score": NaN}', '{"score": true}', '{"other": 0.8}', "[" * 100_000,
    ],
)  # fmt: skip
def test_a_reply_without_one_clear_number_from_0_to_1_has_no_score(reply: str) -> None:
    assert read_score(reply) is None


@pytest.mark.parametrize("part", ["score ", "0.", "[ ", " \n", "0 ", r"\boxed{", "1-", "score a 0"])
def test_no_reply_takes_long(part: str) -> None:
    start = time.perf_counter()
    read_score(part * 100_000)
    read_score((part * 10_000)[:9_990])
    assert time.perf_counter() - start < 2
