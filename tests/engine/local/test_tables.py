"""The tables of the local engine contain every value of their option."""

import pytest

from vipllava_cli.engine.local.loading import DTYPES
from vipllava_cli.engine.options import Dtype

pytestmark = pytest.mark.model


def test_every_precision_has_a_dtype_of_torch() -> None:
    assert set(DTYPES) == set(Dtype) - {Dtype.auto}
