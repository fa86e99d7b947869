"""Opening an engine."""

import os

import pytest

from vipllava_cli.engine.open import open_engine

pytestmark = pytest.mark.model


def test_torch_allocates_in_large_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("THP_MEM_ALLOC_ENABLE", raising=False)
    open_engine("tiny", device="cpu")
    assert os.environ["THP_MEM_ALLOC_ENABLE"] == "1"
