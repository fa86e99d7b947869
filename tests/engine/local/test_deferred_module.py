"""A module that waits: what executes it, what does not, and what other threads see."""

import importlib
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from vipllava_cli.engine.local.deferred_module import DeferredModule, defer_module

PACKAGE = """
import time
time.sleep(0.2)
from waiting_package.part import PART
value = 42
def decorate(function):
    function.mark = value
    return function
"""


@pytest.fixture
def name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package that no test has imported yet."""
    folder = tmp_path / "waiting_package"
    folder.mkdir()
    (folder / "__init__.py").write_text(PACKAGE)
    (folder / "part.py").write_text("PART = 7\n")
    (tmp_path / "waiting_file.py").write_text("first = 1\nraise_once = 1 / DIVISOR\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield "waiting_package"
    for module in [each for each in sys.modules if each.startswith("waiting_")]:
        del sys.modules[module]


def is_executed(name: str) -> bool:
    return "value" in vars(sys.modules[name])


def test_an_import_executes_nothing_and_an_attribute_does(name: str) -> None:
    defer_module(name)
    module = importlib.import_module(name)
    assert isinstance(module, DeferredModule)
    assert not is_executed(name)
    assert module.value == 42
    assert type(module) is ModuleType
    assert module.__path__[0].endswith(name)


def test_a_submodule_executes_its_package_first(name: str) -> None:
    defer_module(name)
    assert importlib.import_module(f"{name}.part").PART == 7
    assert is_executed(name)


def test_a_stand_in_is_used_until_the_module_is_executed(name: str) -> None:
    marked: list[ModuleType] = []
    defer_module(name, {"decorate": "stand-in"}, after=marked.append)
    module = importlib.import_module(name)
    assert module.decorate == "stand-in"
    assert (is_executed(name), marked) == (False, [])
    assert module.value == 42
    assert callable(module.decorate)
    assert marked == [module]


def test_a_submodule_of_its_own_is_imported_at_once(name: str) -> None:
    defer_module(name, submodules=("part",))
    assert sys.modules[f"{name}.part"].PART == 7
    assert not is_executed(name)


def test_an_attribute_that_is_missing_says_so(name: str) -> None:
    defer_module(name)
    module = importlib.import_module(name)
    with pytest.raises(AttributeError, match="no attribute 'absent'"):
        _ = module.absent
    assert is_executed(name)


def test_threads_wait_for_the_one_that_executes_it(name: str) -> None:
    defer_module(name)
    module = importlib.import_module(name)
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(module.value)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [42] * 4


def test_a_failure_is_raised_and_the_next_read_tries_again(name: str) -> None:
    defer_module("waiting_file")
    module = importlib.import_module("waiting_file")
    with pytest.raises(NameError, match="DIVISOR"):
        _ = module.raise_once
    vars(module)["DIVISOR"] = 2
    assert module.raise_once == 0.5


def test_a_file_is_no_package(name: str) -> None:
    defer_module("waiting_file")
    assert not hasattr(importlib.import_module("waiting_file"), "__path__")
    assert isinstance(sys.modules["waiting_file"], DeferredModule)


def test_a_module_that_is_imported_or_missing_stays_as_it_is(name: str) -> None:
    module = importlib.import_module(name)
    defer_module(name)
    defer_module("no_such_module_anywhere")
    assert sys.modules[name] is module
    assert "no_such_module_anywhere" not in sys.modules
