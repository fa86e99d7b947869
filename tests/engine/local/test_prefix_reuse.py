"""Shared images, choices and turns of a conversation give the tokens of complete prompts."""

from pathlib import Path

import pytest

from tests.support.family_layouts import LAYOUTS
from tests.support.prefix_reuse import check_family

pytestmark = [
    pytest.mark.model,
    pytest.mark.filterwarnings("ignore:__array__ implementation"),  # of a processor of transformers
]


@pytest.mark.parametrize("family", sorted(LAYOUTS))
def test_random_questions_get_the_tokens_of_complete_prompts(family: str, tmp_path: Path) -> None:
    check = check_family(family, 40, 5, tmp_path / family)
    assert check.cases >= 40
    assert check.differences == []
