"""The speed of one precision or quantization: a prompt, and the tokens after it."""

from collections.abc import Iterator, Mapping
from importlib.util import find_spec

from benchmarks.bench import Bench
from benchmarks.measuring import Measure, NotAvailable, seconds, summarize

# The package that a quantization needs, on a GPU and on a CPU.
PACKAGES: Mapping[str, tuple[str | None, str | None]] = {
    "int8": ("torchao", None),
    "nf4": ("bitsandbytes", "bitsandbytes"),
}


def missing_package(name: str, *, on_cuda: bool) -> str | None:
    """Return the package that a quantization needs and that is not installed."""
    package = PACKAGES.get(name, (None, None))[not on_cuda]
    return package if package and find_spec(package) is None else None


def run(bench: Bench) -> Iterator[Measure]:
    """Measure the precision that the argument names."""
    from benchmarks.limits import bytes_per_token, copy_bandwidth
    from benchmarks.scenarios.answering import prefill_seconds, token_seconds

    name = bench.argument
    if package := missing_package(name, on_cuda=bench.on_cuda):
        raise NotAvailable(f"{package} is not installed")
    options = {"quantize": name} if name in PACKAGES else {"dtype": name}
    yield Measure("loading", seconds(lambda: bench.open(**options)), "s")
    engine = bench.open(**options)
    rounds = bench.choose(3, 1)
    prompts = prefill_seconds(engine, rounds)
    tokens, context = token_seconds(engine, bench.choose(32, 4), rounds)
    size = bytes_per_token(engine.placement.needs, context)
    limit = copy_bandwidth(bench.device)
    yield summarize("prompt and first token", [1000 * each for each in prompts], "ms")
    yield summarize("tokens after the first", [1 / each for each in tokens], "tokens/s")
    yield summarize("share of the copy bandwidth", [size / each / limit for each in tokens])
