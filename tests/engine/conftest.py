"""Fixtures of the engine's tests."""

import pytest
from PIL import Image

from tests.support.sample_scenes import open_sample
from vipllava_cli.images.square import pad_to_square


@pytest.fixture(scope="session")
def zoo() -> Image.Image:
    """Return a sample scene as a square: a red box around a penguin."""
    return pad_to_square(open_sample("zoo-red-box"))
