"""Fixtures of the tests of benchmarks."""

import pytest


@pytest.fixture(autouse=True)
def _share_engines(opened_once: None) -> None:
    """Let all commands of these tests share one engine."""
