"""Templates: those for measurement and the holdout stay out of training."""

import itertools
from collections.abc import Iterable
from types import ModuleType

from vipllava_cli.flows.evals.clipart import (
    holdout_templates,
    question_templates,
    scene_templates,
)
from vipllava_cli.flows.evals.clipart.phrases import MARKED, NOUNS, PLACES
from vipllava_cli.flows.evals.clipart.question_templates import Templates


def tables_of(*modules: ModuleType) -> list[Templates]:
    tables = [table for module in modules for table in vars(module).values()]
    return [table for table in tables if isinstance(table, Templates)]


def fill(templates: Iterable[str]) -> set[str]:
    """Fill {place} and {object} with all their phrases. Other placeholders stay."""
    places = {place for of_shape in PLACES.values() for place in of_shape}
    objects = [" ".join(words) for words in itertools.product(NOUNS, MARKED)]
    return {
        text.replace("{place}", place).replace("{object}", name).strip(".?")
        for text in templates
        for place in (places if "{place}" in text else [""])
        for name in (objects if "{object}" in text else [""])
    }


def test_measured_templates_are_not_in_training_but_their_words_are() -> None:
    tables = tables_of(question_templates, scene_templates)
    training = fill(text for table in tables for text in table.training)
    words = {word.strip(".,?:") for text in training for word in text.split()}
    all_text = "\n".join(training)
    for text in fill(text for table in tables for text in table.measured):
        assert text not in all_text
        assert {word.strip(".,?:") for word in text.split()} <= words


def test_holdout_templates_are_not_in_training() -> None:
    training = fill(
        text for table in tables_of(question_templates, scene_templates) for text in table.training
    )
    lowered = {text.lower() for text in training}
    tables = tables_of(holdout_templates)
    assert sum(len(table.measured) for table in tables) > 100
    for table in tables:
        assert not table.training
        assert not {text.lower().strip(".?") for text in table.measured} & lowered
