"""Compare one call with five questions about an image with one call for each question.

    python -m benchmarks.questions

The model has the public checkpoints' image geometry (336 pixels, 576 tokens), random weights, and a
size that two cores can run. The result is the median ratio of several pairs of runs.
"""

from pathlib import Path
from statistics import median

import torch
from PIL import Image
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaProcessor,
    VipLlavaConfig,
    VipLlavaForConditionalGeneration,
)

from benchmarks.support import describe, seconds
from vipllava_cli.engine.hardware.load_options import LoadOptions
from vipllava_cli.engine.hardware.machine import inspect_machine
from vipllava_cli.engine.hardware.model_spec import read_model_spec
from vipllava_cli.engine.hardware.placement import plan_placement
from vipllava_cli.engine.hub.checkpoints import Checkpoint, find_checkpoint
from vipllava_cli.engine.local.engines import VipLlavaEngine
from vipllava_cli.engine.local.loading import Loaded
from vipllava_cli.engine.options import GenerationOptions

QUESTIONS = [f"what is in the {color} box?" for color in ("red", "blue", "lime", "yellow", "aqua")]


def make_random_engine() -> VipLlavaEngine:
    """Make an engine with random weights and 576 image tokens."""
    torch.manual_seed(0)
    shipped = LlavaProcessor.from_pretrained(find_checkpoint("tiny").folder)
    vision = CLIPVisionConfig(
        hidden_size=512,
        intermediate_size=2048,
        num_hidden_layers=12,
        num_attention_heads=8,
        image_size=336,
        patch_size=14,
    )
    text = LlamaConfig(
        vocab_size=len(shipped.tokenizer),
        hidden_size=768,
        intermediate_size=2048,
        num_hidden_layers=8,
        num_attention_heads=12,
        eos_token_id=2,
        pad_token_id=4,
    )
    config = VipLlavaConfig(vision_config=vision, text_config=text, image_token_index=3)
    model = VipLlavaForConditionalGeneration(config).eval()
    image_processor = CLIPImageProcessorPil(
        size={"shortest_edge": 336}, crop_size={"height": 336, "width": 336}
    )
    processor = LlavaProcessor(
        image_processor=image_processor,
        tokenizer=shipped.tokenizer,
        patch_size=14,
        num_additional_image_tokens=1,
        vision_feature_select_strategy="default",
    )
    load_options = LoadOptions(device="cpu", dtype="fp32")
    spec = read_model_spec(config.to_dict())
    placement = plan_placement(spec, load_options, inspect_machine())
    return VipLlavaEngine(Checkpoint("random", Path(), "-"), Loaded(model, processor, placement))


def main(pairs: int = 5) -> None:
    """Print the median ratio and the spread."""
    engine = make_random_engine()
    image = Image.effect_noise((336, 336), 80).convert("RGB")
    options = GenerationOptions(max_new_tokens=4)

    def answer_in_one_call() -> list[str]:
        view = engine.view(image)
        prompts = [engine.prompt(view, question) for question in QUESTIONS]
        return [answer.text for answer in engine.answer(prompts, options)]

    def answer_separately() -> list[str]:
        prompts = [engine.prompt(engine.view(image), question) for question in QUESTIONS]
        return [answer.text for answer in engine.answer(prompts, options)]

    assert answer_in_one_call() == answer_separately()
    ratios = [seconds(answer_separately) / seconds(answer_in_one_call) for _ in range(pairs)]
    print(describe())
    print(
        f"{len(QUESTIONS)} questions in separate calls take {median(ratios):.2f} times as long as"
        f" in one call (lowest {min(ratios):.2f}, highest {max(ratios):.2f}, {pairs} pairs)"
    )


if __name__ == "__main__":
    main()
