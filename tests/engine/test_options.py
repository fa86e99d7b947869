"""The values of the loading options: every table contains all of them."""

from vipllava_cli.engine.hardware.memory_needs import ITEM_BYTES, QUANTIZERS
from vipllava_cli.engine.options import DEFAULT_TEMPLATE, Dtype, Quantization, TemplateName
from vipllava_cli.engine.prompts.templates import TEMPLATES


def test_the_tables_are_complete() -> None:
    assert set(QUANTIZERS) == set(Quantization)
    assert set(ITEM_BYTES) == set(Dtype) - {Dtype.auto}
    assert set(TEMPLATES) == set(TemplateName) - {TemplateName.chat}  # the processor has that one
    assert DEFAULT_TEMPLATE in TEMPLATES
