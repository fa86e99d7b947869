"""The weights that a config asks for: exactly those of the shipped and the public models."""

from math import prod

import pytest

from vipllava_cli.engine.hub.checkpoints import read_config, weight_shapes
from vipllava_cli.engine.hub.checks.weights import canonical_weight, expected_shapes
from vipllava_cli.engine.hub.registry import BUNDLED, PUBLISHED


def test_the_shipped_model_has_exactly_the_expected_weights() -> None:
    folder = BUNDLED["tiny"]
    found = weight_shapes(folder, "tiny")
    assert {canonical_weight(name): shape for name, shape in found.items()} == expected_shapes(
        read_config(folder, "tiny")
    )


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_public_models_have_the_published_number_of_parameters(name: str) -> None:
    published = PUBLISHED[name]
    assert sum(map(prod, expected_shapes(published.config).values())) == published.parameters


@pytest.mark.parametrize(
    "name",
    [
        "lm_head.weight",
        "language_model.lm_head.weight",
        "model.lm_head.weight",
    ],
)
def test_older_and_newer_names_are_the_same_weight(name: str) -> None:
    assert canonical_weight(name) == "lm_head.weight"
