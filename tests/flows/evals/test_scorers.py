"""The scorers: what each of them counts as a correct answer."""

import pytest

from vipllava_cli.flows.evals.dataset import Case, Result
from vipllava_cli.flows.evals.scorers import SCORERS, combine, contains, normalize

OPTIONS = ("The dog", "The cat", "The tree", "The car")


def score(scorer: str, answer: str | None, target: str, options: tuple[str, ...] = ()) -> float:
    return SCORERS[scorer](Result("0", Case("?", target, {}, options), answer))


@pytest.mark.parametrize(
    ("answer", "exact", "letter"),
    [
        ("B", 1, 1),
        (" b ", 1, 1),
        ("B.", 0, 1),
        ("(B)", 0, 1),
        ("B. The cat", 0, 1),
        ("B: cat", 0, 1),
        ("The answer is B.", 0, 1),
        ("The correct option is (B)", 0, 1),
        ("Answer: B", 0, 1),
        ("answer: b", 0, 1),
        ("**B**", 0, 1),
        ("**Answer:** B", 0, 1),
        ("$\\boxed{B}$", 0, 1),
        ("<answer>B</answer>", 0, 1),
        ("Option B", 0, 1),
        ("It is (B), the cat", 0, 1),
        ("B is correct", 0, 1),
        ("either (A) or (B)", 0, 0),
        ("the cat", 0, 1),
        ("A", 0, 0),
        ("a cat", 0, 1),  # an article; the words are the option's
        ("A or B", 0, 0),
        ("answer A, or answer B", 0, 0),
        ("", 0, 0),
        ("Because it is a cat", 0, 0),
    ],
)
def test_letters(answer: str, exact: float, letter: float) -> None:
    assert score("exact", answer, "B", OPTIONS) == exact
    assert score("letter", answer, "B", OPTIONS) == letter


@pytest.mark.parametrize(
    ("answer", "expected"),
    [("B", 1), (" b.", 1), ("(B) the dog", 1), ("xyB", 1), ("Answer: B", 0), ("It is", 0), ("", 0)],
)
def test_the_first_letter_is_what_the_published_code_takes(answer: str, expected: float) -> None:
    """It takes the A of "Answer"."""
    assert score("first_letter", answer, "B", OPTIONS) == expected


def test_a_letter_that_no_option_has_is_the_text_of_an_option() -> None:
    assert score("letter", "y", "B", ("x", "y", "B")) == 1
    assert score("letter", "b", "B", ("x", "y", "B")) == 1


def test_a_target_that_is_a_text_is_scored_by_its_letter() -> None:
    case = Case("?", "The cat", {}, OPTIONS, by_text=True)
    assert SCORERS["letter"](Result("0", case, "The cat")) == 1
    assert SCORERS["letter"](Result("0", case, "The dog")) == 0


@pytest.mark.parametrize(
    ("target", "answer", "exact", "phrase"),
    [
        ("2", "two", 0, 1),
        ("dog", "A dog.", 0, 1),
        ("yes", "Yes", 1, 1),
        ("yes", "yes, it is", 0, 0),
        ("dog", "", 0, 0),
    ],
)
def test_phrases(target: str, answer: str, exact: float, phrase: float) -> None:
    assert (score("exact", answer, target), score("phrase", answer, target)) == (exact, phrase)


@pytest.mark.parametrize(
    ("text", "expected"),
    [(" A  Red\that. ", "a red hat"), ("STRASSE", "strasse"), ("Stra\u00dfe", "strasse"), ("", "")],
)
def test_normalize(text: str, expected: str) -> None:
    assert normalize(text) == expected


@pytest.mark.parametrize(
    ("answer", "target", "expected"),
    [
        (" B.", "b", 1), ("(B)", "B", 0), ("a red hat", "a  Red hat.", 1), ("", "", 1),
        ("a hat", "hat", 0), ("hats", "hat", 0),
    ],
)  # fmt: skip
def test_normalized(answer: str, target: str, expected: float) -> None:
    assert score("normalized", answer, target) == expected


@pytest.mark.parametrize(
    ("answer", "target", "expected"),
    [
        ("a tree and a dog", "a dog, a cat and a tree", 2 / 3),
        ("A dog, a cat.", "a dog", 1 / 2),
        ("a cat and a dog", "a dog and a cat", 1),
        ("", "a dog", 0),
    ],
)
def test_items(answer: str, target: str, expected: float) -> None:
    assert score("items", answer, target) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("target", "answer", "expected"),
    [
        ("0.75<OR>x=0.75<OR>3/4", "The value is 3/4.", True),
        ("0.75<OR>x=0.75<OR>3/4", "x = 0.75", True),
        ("0.75<OR>x=0.75<OR>3/4", "10.75", False),
        ("0.75", "0.755", False),
        ("x=-1<AND>x=-5", "x=-5 and x=-1", True),
        ("x=-1<AND>x=-5", "x=-1 or x=5", False),
        ("heron<OR>egret<AND>frog", "an Egret; a frog!", True),
        ("heron<OR>egret<AND>frog", "a heron and an egret", False),
        ("cat", "a catalogue", False),
        ("Stra\u00dfe", "STRASSE", True),
        ("New York", "in new york.", True),
        ("New York", "a new place in York", False),
        ("?", "?", True),
        ("?", "!", False),
        ("dog", "", False),
        ("dog<OR>", "a cat", False),
    ],
)
def test_contains(target: str, answer: str, expected: bool) -> None:
    assert contains(answer, target) == expected
    assert score("contains", answer, target) == expected


@pytest.mark.parametrize("scorer", SCORERS)
def test_every_scorer_scores_from_0_to_1_and_takes_a_missing_answer_as_empty(scorer: str) -> None:
    for answer in ("The dog", "a cat, a dog", "", None):
        assert 0 <= score(scorer, answer, "B", OPTIONS) <= 1
    assert score(scorer, "B", "B", OPTIONS) == 1
    assert score(scorer, None, "B", OPTIONS) == score(scorer, "", "B", OPTIONS) == 0


@pytest.mark.parametrize(
    ("answers", "combined"),
    [(("x", "x"), "yes"), (("x", "y"), "no"), (("x", None), None), ((None, "y"), None)],
)
def test_results_that_count_together(answers: tuple[str | None, ...], combined: str | None) -> None:
    parts = [Result("0", Case("?", "x", {}), answer) for answer in answers]
    result = combine("0", parts, SCORERS["exact"], {"task": "both"})
    assert (result.answer, result.case.target) == (combined, "yes")
    assert result.case.groups == {"task": "both"}
