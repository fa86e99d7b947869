"""The shipped model, loaded once for the tests of a module."""

from typing import TYPE_CHECKING

import pytest

from tests.conftest import open_once

if TYPE_CHECKING:
    from vipllava_cli.engine.local.engines import VipLlavaEngine


@pytest.fixture(scope="module")
def engine() -> "VipLlavaEngine":
    """Return the shipped model on the CPU."""
    from vipllava_cli.engine.local.engines import VipLlavaEngine

    engine = open_once("tiny", device="cpu")
    assert isinstance(engine, VipLlavaEngine)
    return engine
