"""Garbage collection: off during a block, and as before afterwards."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from vipllava_cli.engine.collection import paused_collection


class Knot:
    """Something that only the collector frees."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def collecting() -> Iterator[None]:
    gc.unfreeze()  # a test of a command froze some
    gc.enable()
    yield
    gc.unfreeze()
    gc.enable()


def test_the_block_collects_nothing_and_collection_goes_on_afterwards() -> None:
    with paused_collection():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_collection_goes_on_after_an_error() -> None:
    with pytest.raises(ValueError, match="x"), paused_collection(freezes=True):
        raise ValueError("x")
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_a_process_without_collection_stays_without() -> None:
    gc.disable()
    with paused_collection():
        pass
    assert not gc.isenabled()


def test_objects_of_the_block_are_freed_later() -> None:
    with paused_collection():
        knot = weakref.ref(Knot())
    gc.collect()
    assert knot() is None


def test_freezing_leaves_the_objects_out_and_takes_later_ones() -> None:
    with paused_collection(freezes=True):
        kept = [Knot() for _ in range(1000)]
    assert gc.get_freeze_count() >= 1000
    later = weakref.ref(Knot())
    gc.collect()
    assert later() is None
    assert kept[0].itself is kept[0]


def test_a_second_model_freezes_nothing_of_the_first() -> None:
    with paused_collection(freezes=True):
        pass
    first = [Knot()]
    gone = weakref.ref(first[0])
    with paused_collection(freezes=True):
        pass
    first.clear()
    gc.collect()
    assert gone() is None


def test_an_inner_block_leaves_the_outer_one_paused() -> None:
    with paused_collection(freezes=True):
        with paused_collection():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
