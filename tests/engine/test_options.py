"""The values of the loading options: every table contains all of them."""

import pytest

from vipllava_cli.engine.hardware.memory_needs import ITEM_BYTES, QUANTIZERS
from vipllava_cli.engine.options import (
    DEFAULT_TEMPLATE,
    Dtype,
    Quantization,
    TemplateName,
    complete_device,
    gpu_number,
    parse_device,
)
from vipllava_cli.engine.prompts.templates import TEMPLATES, choose_template
from vipllava_cli.errors import UsageError


def test_the_tables_are_complete() -> None:
    assert set(QUANTIZERS) == set(Quantization)
    assert set(ITEM_BYTES) == set(Dtype) - {Dtype.auto}
    chosen_later = {TemplateName.auto, TemplateName.chat}  # by the model; the processor has `chat`
    assert set(TEMPLATES) == set(TemplateName) - chosen_later
    assert choose_template(DEFAULT_TEMPLATE, "tiny", is_vipllava=True) in TEMPLATES


@pytest.mark.parametrize(
    ("text", "device", "gpu"),
    [
        ("auto", "auto", None),
        ("cpu", "cpu", None),
        ("cuda", "cuda", None),
        (" CUDA:01 ", "cuda:1", 1),
    ],
)
def test_a_device_is_read_with_the_number_of_its_gpu(
    text: str, device: str, gpu: int | None
) -> None:
    assert parse_device(text) == device
    assert gpu_number(parse_device(text)) == gpu


@pytest.mark.parametrize("text", ["gpu", "cuda:", "cuda:-1", "cuda:x", "1", "cpu:0", "", "cuda:²"])
def test_any_other_device_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected auto, cpu, mps, cuda for all GPUs, or cuda:0"):
        parse_device(text)


def test_every_completed_device_is_accepted() -> None:
    assert complete_device("cu") == ["cuda", "cuda:0", "cuda:1"]
    assert all(parse_device(name) == name for name in complete_device(""))
