"""The short names of models, and the revision of the shipped weights."""

import hashlib

import pytest

from vipllava_cli.engine.hub.registry import BUNDLED, PUBLISHED, TINY_REVISION
from vipllava_cli.engine.open import identify

# The weights of each released revision.
WEIGHTS_SHA256 = {
    "0.1.0": "1aded5f272d3ae211b1982c2ce2637bed788e571ccefb28a79c0b641befcc500",
}


def test_a_new_version_of_the_package_keeps_the_revision_of_the_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Record keys contain the revision: a batch of version 0.1.0 must not ask again."""
    monkeypatch.setattr("vipllava_cli.__version__", "99.0.0")
    assert identify("tiny") == ("tiny", TINY_REVISION) == ("tiny", "0.1.0")


def test_new_weights_get_a_new_revision() -> None:
    weights = (BUNDLED["tiny"] / "model.safetensors").read_bytes()
    assert hashlib.sha256(weights).hexdigest() == WEIGHTS_SHA256[TINY_REVISION]


def test_short_names_are_unique() -> None:
    assert set(BUNDLED) == {"tiny"}
    assert set(PUBLISHED) == {"7b", "13b"}
