"""Opening an engine."""

import os
from pathlib import Path

import pytest

from vipllava_cli.engine.open import open_engine
from vipllava_cli.errors import InputError

pytestmark = pytest.mark.model


def test_torch_allocates_in_large_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("THP_MEM_ALLOC_ENABLE", raising=False)
    open_engine("tiny", device="cpu")
    assert os.environ["THP_MEM_ALLOC_ENABLE"] == "1"


def test_a_working_folder_that_is_gone_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(InputError, match="the working folder no longer exists"):
        open_engine("tiny", device="cpu")
