"""What a user would run instead, written as the documentation of transformers shows it.

Sources: the example of `VipLlavaForConditionalGeneration.forward` (the loop of the model's page), the
page of the `image-text-to-text` task, and the page about `generate` for stop texts.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import pipeline
from transformers.generation.stopping_criteria import StoppingCriteriaList, StopStringCriteria

from benchmarks.scenes import QUESTION
from vipllava_cli.engine.local.generate import LocalEngine
from vipllava_cli.engine.prompts.templates import STOPS, TEMPLATES, Turn, render
from vipllava_cli.images.square import pad_to_square


def prompt_text(question: str) -> str:
    """Return the prompt of the model's page."""
    return render(TEMPLATES["human"], [Turn(question)])


def until_stop(answer: str) -> str:
    """Return the answer without the text from the stop on."""
    return answer.partition(STOPS[0])[0].strip()


def stop_options(engine: LocalEngine) -> dict[str, Any]:
    """Return the arguments that end `generate` at the end of the answer."""
    return {"stop_strings": list(STOPS), "tokenizer": engine.tokenizer}


def run_documented_loop(
    engine: LocalEngine,
    paths: Sequence[Path],
    tokens: int,
    questions: Sequence[str] = (QUESTION,),
    **stop: Any,
) -> list[str]:
    """Open, process, generate, decode: one image and one question at a time."""
    answers = []
    for path in paths:
        for question in questions:
            image = pad_to_square(Image.open(path).convert("RGB"))
            inputs = engine.processor(
                text=prompt_text(question), images=image, return_tensors="pt"
            ).to(engine.device, engine.model.dtype)
            output = engine.model.generate(**inputs, max_new_tokens=tokens, do_sample=False, **stop)
            new = output[0, inputs["input_ids"].shape[1] :]
            answers.append(engine.tokenizer.decode(new, skip_special_tokens=True))
    return list(map(until_stop, answers))


def run_pipeline(
    engine: LocalEngine,
    paths: Sequence[Path],
    tokens: int,
    batch_size: int,
    questions: Sequence[str] = (QUESTION,),
) -> list[str]:
    """Answer with `pipeline("image-text-to-text")`, with a stop at the end of the answer."""
    pipe = pipeline("image-text-to-text", model=engine.model, processor=engine.processor)
    rows = (  # a list of dicts would have to be a chat
        {"images": pad_to_square(Image.open(path).convert("RGB")), "text": prompt_text(question)}
        for path in paths
        for question in questions
    )
    options = {"max_new_tokens": tokens, "do_sample": False, **stop_options(engine)}
    outputs = pipe(rows, batch_size=batch_size, return_full_text=False, generate_kwargs=options)
    return [until_stop(answer["generated_text"]) for [answer] in outputs]


def prepare_generate(
    engine: LocalEngine, paths: Sequence[Path], tokens: int, batch_size: int
) -> Callable[[], object]:
    """Prepare tensors and the stop criterion. Returns a function that only generates."""
    stop = StoppingCriteriaList([StopStringCriteria(engine.tokenizer, list(STOPS))])
    batches = []
    for start in range(0, len(paths), batch_size):
        batch = paths[start : start + batch_size]
        images = [pad_to_square(Image.open(path).convert("RGB")) for path in batch]
        texts = [prompt_text(QUESTION)] * len(images)
        inputs = engine.processor(images=images, text=texts, return_tensors="pt")
        batches.append(inputs.to(engine.device, engine.model.dtype))

    def generate() -> None:
        for inputs in batches:
            with torch.inference_mode():
                engine.model.generate(
                    **inputs, max_new_tokens=tokens, do_sample=False, stopping_criteria=stop
                )

    return generate
