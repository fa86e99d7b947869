"""Fixtures of the tests of servers: a home folder of their own, and no key of the environment."""

import pytest

from tests.support.server_engines import server_home

home = pytest.fixture(autouse=True)(server_home)
