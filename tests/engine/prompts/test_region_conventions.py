"""Which models have a documented convention, by their family or by their name on a server."""

import pytest

from vipllava_cli.engine.prompts.region_conventions import find_convention


@pytest.mark.parametrize(
    "model",
    ["llava-1.5", "vipllava", "llava-hf/llava-1.5-7b-hf", "llava:13b-v1.5-q4_0", "vip-llava-13b"],
)
def test_llava_1_5_documents_its_coordinates(model: str) -> None:
    convention = find_convention(model)
    assert convention is not None
    assert convention.family == "LLaVA-1.5"


@pytest.mark.parametrize(
    "model",
    [
        "llava",
        "llava_next",
        "llava_onevision",
        "llava-hf/llava-v1.6-mistral-7b-hf",
        "llava-hf/llava-onevision-qwen2-0.5b-ov-hf",
        "lmms-lab/LLaVA-NeXT-Video-7B",
        "llava:7b",
        "llava-llama3:8b",
        "pixtral",
        "gemma3",
    ],
)
def test_other_families_document_none(model: str) -> None:
    assert find_convention(model) is None
