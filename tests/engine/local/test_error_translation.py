"""Exceptions of torch and the libraries behind it as errors of the program."""

import pytest

from vipllava_cli.engine.local.error_translation import translate_errors
from vipllava_cli.errors import OutOfMemoryError

pytestmark = pytest.mark.model


@pytest.mark.parametrize(
    "text",
    [
        "MPS backend out of memory (MPS allocated: 9.03 GiB, max allowed: 9.07 GiB)",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    ],
)
def test_a_library_without_memory_is_out_of_memory(text: str) -> None:
    with pytest.raises(OutOfMemoryError, match="use a smaller model"), translate_errors():
        raise RuntimeError(text)
