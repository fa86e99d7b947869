"""Singulars: regular and irregular plurals, and words in `s` that are no plurals."""

import pytest

from vipllava_cli.flows.evals.clipart.objects import OBJECT_CLASSES
from vipllava_cli.flows.evals.plurals import singular

# Plural, singular, plural, singular, …
PAIRS = """
cats cat buses bus berries berry boys boy monkeys monkey cookies cookie ties tie neckties necktie
knives knife wolves wolf bookshelves bookshelf gloves glove olives olive microwaves microwave
tomatoes tomato canoes canoe toes toe shoes shoe horseshoes horseshoe pianos piano zoos zoo
boxes box axes axe churches church brushes brush dresses dress houses house blouses blouse
vases vase horses horse lenses lens irises iris octopuses octopus cacti cactus quizzes quiz
men man women woman children child mice mouse geese goose feet foot teeth tooth people person
skis ski kiwis kiwi taxis taxi bananas banana pandas panda menus menu tvs tv sheep sheep
"""
NO_PLURALS = """
bus gas glass grass dress glasses scissors lens canvas iris tennis cactus octopus asparagus
rhinoceros news series species chess moss is as us s it's 1990s
"""


WORDS = PAIRS.split()


@pytest.mark.parametrize(("plural", "one"), [*zip(WORDS[::2], WORDS[1::2], strict=True)])
def test_a_plural_has_its_singular(plural: str, one: str) -> None:
    assert singular(plural) == one


@pytest.mark.parametrize("word", NO_PLURALS.split())
def test_another_word_in_s_stays(word: str) -> None:
    assert singular(word) == word


def test_the_names_of_clip_art_objects_stay_different() -> None:
    names = {word for each in OBJECT_CLASSES for word in each.name.split()}
    assert len({singular(name) for name in names}) == len(names)
