"""The shipped model, loaded once for the tests of a module."""

from typing import TYPE_CHECKING

import pytest

from tests.conftest import open_once

if TYPE_CHECKING:
    from vipllava_cli.engine.local.generate import LocalEngine


@pytest.fixture(scope="module")
def engine() -> "LocalEngine":
    """Return the shipped model on the CPU."""
    from vipllava_cli.engine.local.generate import LocalEngine

    engine = open_once("tiny", device="cpu")
    assert isinstance(engine, LocalEngine)
    return engine
