"""Layers on other devices: the speed, and that the logits and the answer stay the same."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from benchmarks.bench import Bench
from benchmarks.measuring import Measure, seconds
from vipllava_cli.engine.options import gpu_number

if TYPE_CHECKING:
    from torch import Tensor

    from vipllava_cli.engine.base import Prompt
    from vipllava_cli.engine.local.generate import LocalEngine

TOKENS = 6
SHARE = 0.6  # of the weights that stay on the first device


def memory_limits(bench: Bench, weights: int, workspace: int) -> str | None:
    """Return the `--max-memory` of a placement; None for everything on one device."""
    some = f"{int(SHARE * weights + workspace) >> 20}MiB"
    first = gpu_number(bench.device) or 0 if bench.on_cuda else "cpu"
    return {
        "one": None,
        "cpu": f"{first}={some}",
        "disk": f"{first}={some}" + (",cpu=1GiB" if bench.on_cuda else ""),
    }[bench.argument]


def last_logits(engine: "LocalEngine", prompt: "Prompt") -> "Tensor":
    """Return the logits of the token after the prompt, in float32 on the CPU."""
    import torch

    ids = torch.tensor([prompt.ids], device=engine.device)
    with torch.inference_mode():
        output = engine.model(input_ids=ids, **engine.image_inputs([prompt.view], ids))
    return cast("Tensor", output.logits[0, -1].float().cpu())


def run(bench: Bench) -> Iterator[Measure]:
    """Answer with the placement that the argument names."""
    import torch

    from benchmarks.scenarios.answering import answer, new_prompt
    from vipllava_cli.engine.hardware.estimate import make_plan
    from vipllava_cli.engine.hardware.load_options import LoadOptions

    needs = make_plan(bench.model(), None, LoadOptions(bench.device)).placement.needs
    work = 2 * (needs.workspace + needs.activations + needs.layer_cache * needs.spec.layers)
    limits = memory_limits(bench, needs.all_weights, work)
    yield Measure("loading", seconds(lambda: bench.open(max_memory=limits)), "s")
    engine = bench.open(max_memory=limits)
    total = needs.all_weights
    for location in dict.fromkeys(engine.placement.locations.values()):
        share = engine.placement.weights_at(location) / total
        yield Measure(f"weights on {location}", 100 * share, "%")
    prompt = new_prompt(engine)
    answer(engine, prompt, 2)
    short = seconds(lambda: answer(engine, prompt, 1))
    results = []
    long = seconds(lambda: results.append(answer(engine, prompt, TOKENS)))
    yield Measure("prompt and first token", 1000 * short, "ms")
    if long > short:  # a busy machine may turn them around
        yield Measure("tokens after the first", (TOKENS - 1) / (long - short), "tokens/s")
    logits, text = last_logits(engine, prompt), results[0].text
    reference = bench.folder / f"{bench.size}-logits.pt"
    if bench.argument == "one":
        torch.save({"logits": logits, "text": text}, reference)
    elif reference.exists():
        expected = torch.load(reference)
        error = (logits - expected["logits"]).norm() / expected["logits"].norm()
        yield Measure("relative difference of the logits", float(error), goal="at most 0.01")
        yield Measure("answers equal", float(text == expected["text"]), "of 1")
