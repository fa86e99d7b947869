"""Which device, how precise, and which part goes where: decided from sizes alone, before loading."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vipllava_cli.engine.hardware.machine import EXTRAS, Location, Machine
from vipllava_cli.engine.hardware.model_spec import LAYER, ModelPart, ModelSpec
from vipllava_cli.engine.options import Attention, Device, Dtype, Quantization
from vipllava_cli.errors import ModelError, UsageError, short_repr
from vipllava_cli.storage.sizes import binary_size, parse_size

if TYPE_CHECKING:
    import torch

ITEM_BYTES: Mapping[str, int] = {"bf16": 2, "fp16": 2, "fp32": 4}


@dataclass(frozen=True)
class Quantizer:
    """`bytes` are those of a quantised number, its share of the scales included; `packages` does it on
    each device that can: None where `precision.py` does.
    """

    bytes: float
    packages: Mapping[str, str | None]


INT8, NF4 = Quantization.int8.value, Quantization.nf4.value
QUANTIZERS: Mapping[str, Quantizer] = {
    INT8: Quantizer(1.002, {"cuda": "torchao", "cpu": None}),
    NF4: Quantizer(0.5625, {"cuda": "bitsandbytes", "cpu": "bitsandbytes"}),
}

WIDENED_CHUNK = 16 << 20  # weights that are in 32 bits at one time, see `precision.py`

PLANNED_TEXT_TOKENS = 512  # tokens of question and answer that are planned for when nobody says

# Below this a CPU answers in 32 bits, exactly, and is fast enough. Above it, `benchmarks/precision.py`
# found prompts to take as long and tokens to come 1.6 times as fast in 16.
_SMALL_BYTES = 256 << 20
_LEAST_KEPT = 512 << 20  # of a CPU's memory, for everything else that runs


@dataclass(frozen=True)
class LoadOptions:
    """What the user asks for. `max_memory` is in bytes by place; a place that it leaves out has what is
    free there. `length` counts the tokens of a prompt and its answer.
    """

    device: str = Device.auto.value
    dtype: str = Dtype.auto.value
    quantize: str | None = None
    max_memory: Mapping[Location, int] | None = None
    attention: str = Attention.auto.value
    length: int | None = None


@dataclass(frozen=True)
class MemoryNeeds:
    """The bytes that a model takes at a precision."""

    spec: ModelSpec
    dtype: str
    quantize: str | None
    length: int
    widened: bool  # see `precision.py`

    def weights(self, part: ModelPart) -> int:
        item = ITEM_BYTES[self.dtype]
        if self.quantize and part.kind == LAYER:
            rest = (part.parameters - part.linear) * item
            return int(part.linear * QUANTIZERS[self.quantize].bytes) + rest
        return part.parameters * item

    @property
    def layer_cache(self) -> int:
        """What one decoder layer keeps of one prompt and answer."""
        return self.spec.cache * self.length * ITEM_BYTES[self.dtype]

    @property
    def row(self) -> int:
        """What each prompt that is answered takes beside its cache, at the widest place."""
        widths = 2 * (self.spec.intermediate + self.spec.hidden) * self.length
        seen = (self.spec.vision_layers + 1) * self.spec.vision_hidden
        seen *= self.spec.image_tokens + 1
        return (widths + seen) * ITEM_BYTES[self.dtype]

    @property
    def work(self) -> int:
        """What is taken once: a copy of the image's cache, and the part of a matrix that is widened."""
        kept = self.spec.cache * self.spec.image_tokens * self.spec.layers
        widened = self.widened or self.quantize is not None
        return kept * ITEM_BYTES[self.dtype] + 4 * WIDENED_CHUNK * widened

    @property
    def largest(self) -> int:
        return max(self.weights(part) for part in self.spec.parts)


@dataclass(frozen=True)
class Placement:
    """`where` has a place for each part. `main` is where prompts and images go, and where what lies
    in memory or on disk beside a GPU is brought to be computed. `budgets` are the bytes that may be
    taken, by place; `rows` is how many prompts fit at once.
    """

    needs: MemoryNeeds
    where: Mapping[str, Location]
    main: str
    budgets: Mapping[Location, int]
    rows: int
    attention: str = "auto"
    why: str = ""

    @property
    def inputs(self) -> "torch.device":
        import torch

        return torch.device(self.main)

    @property
    def dtype_name(self) -> str:
        """How precisely the decoder is kept."""
        return self.needs.quantize or self.needs.dtype

    @property
    def devices(self) -> dict[str, Location]:
        """The map that transformers loads by."""
        places = set(self.where.values())
        return {"": places.pop()} if len(places) == 1 else dict(self.where)

    def weights_at(self, place: Location) -> int:
        return sum(
            self.needs.weights(part)
            for part in self.needs.spec.parts
            if self.where[part.module] == place
        )

    def cache_at(self, place: Location) -> int:
        """The cache of one prompt there: it lies where a layer is computed."""
        layers = [part for part in self.needs.spec.parts if part.kind == LAYER]
        computed = [compute_location(self.where[layer.module], self.main) for layer in layers]
        return self.needs.layer_cache * computed.count(place)


def compute_location(place: Location, main: str) -> Location:
    """Where a part is computed that lies there."""
    first: Location = int(main.removeprefix("cuda:")) if main.startswith("cuda") else main
    is_gpu = isinstance(place, int) or place == "mps"
    return place if is_gpu else first


def place(
    spec: ModelSpec, load_options: LoadOptions, machine: Machine, *, hypothetical: bool = False
) -> Placement:
    """The plan. Where it is `hypothetical`, the user's numbers stand for a machine that is not this one.

    Raises ModelError for a device that is not here, and for what does not fit, with what would.
    """
    kind = choose_device(load_options, machine, hypothetical=hypothetical)
    dtype, why = choose_dtype(
        kind, load_options.dtype, spec, machine, quantized=bool(load_options.quantize)
    )
    length = min(load_options.length or spec.image_tokens + PLANNED_TEXT_TOKENS, spec.longest)
    # The instructions that a CPU may have are for bfloat16: fp16 prompts took ten times as long there.
    fast = dtype == "fp32" or (dtype == "bf16" and machine.fast_bf16)
    widened = kind == "cpu" and not fast
    if load_options.quantize and not hypothetical:
        check_quantize(kind, load_options.quantize, machine)
    needs = MemoryNeeds(spec, dtype, load_options.quantize, length, widened)
    budgets = dict(_budgets(kind, load_options, machine, hypothetical=hypothetical))
    where = _fill(needs, budgets)
    if where is None:
        raise ModelError(_refusal(needs, budgets))
    first = next(iter(budgets))
    main = f"cuda:{first}" if isinstance(first, int) else str(first)
    attention = choose_attention(
        kind, load_options.attention, dtype, machine, hypothetical=hypothetical
    )
    found = Placement(needs, where, main, budgets, 1, attention, why)
    return replace(found, rows=_rows(found))


def choose_device(
    load_options: LoadOptions, machine: Machine, *, hypothetical: bool = False
) -> str:
    """`cuda`, `mps` or `cpu`. Raises ModelError when the wanted one is not here."""
    named = [at for at in load_options.max_memory or {} if isinstance(at, int)]
    if hypothetical and named and load_options.device in {"auto", "cuda"}:
        return "cuda"
    missing = [at for at in named if at not in machine.gpus]
    if missing and not hypothetical:
        here = ", ".join(map(str, machine.gpus)) or "none"
        raise ModelError(f"--max-memory names GPU {missing[0]}, and the GPUs here are: {here}")
    if load_options.device == "auto":
        return machine.devices[0]
    if load_options.device not in machine.devices:
        here = ", ".join(machine.devices)
        raise ModelError(
            f"there is no {load_options.device} device on this machine: use --device {here}, or auto"
        )
    return load_options.device


def choose_dtype(
    kind: str, wanted: str, spec: ModelSpec, machine: Machine, *, quantized: bool = False
) -> tuple[str, str]:
    """What the device is fast and safe in, unless the user says; and why."""
    if wanted != "auto":
        return wanted, "as asked for"
    if kind == "cuda":
        return machine.half, "what this GPU is fast in"
    if kind == "mps":
        return "fp16", "what this GPU is fast in"
    if 4 * spec.parameters <= _SMALL_BYTES and not quantized:
        return "fp32", "small enough to be exact"
    if machine.fast_bf16:
        return "bf16", "this CPU multiplies it itself"
    # Other than as published they would have to be copied, and could not stay in the file.
    return spec.half, "half the memory to read for each token; prompts are multiplied in 32 bits"


def choose_attention(
    kind: str, wanted: str, dtype: str, machine: Machine, *, hypothetical: bool = False
) -> str:
    """`sdpa`, `flash` or `eager`. Raises ModelError for what does not run here."""
    runs = kind == "cuda" and dtype != "fp32"
    if wanted == "flash" and not hypothetical:
        if not runs:
            raise ModelError("--attention flash needs a CUDA GPU and 16 bits: use --attention sdpa")
        _need("flash_attn", "--attention flash", machine)
    if wanted != "auto":
        return wanted
    return "flash" if runs and "flash_attn" in machine.packages else "sdpa"


def check_quantize(kind: str, wanted: str, machine: Machine) -> None:
    """Raises ModelError for what the package or the device lacks."""
    packages = QUANTIZERS[wanted].packages
    if kind not in packages:
        raise ModelError(
            f"--quantize {wanted} does not run on {kind}: use --device {' or '.join(packages)}"
        )
    package = packages[kind]
    if package is not None:
        _need(package, f"--quantize {wanted}", machine)


def _need(package: str, option: str, machine: Machine) -> None:
    if package not in machine.packages:
        raise ModelError(
            f"{option} needs the package {package.replace('_', '-')}, which is not installed:"
            f" `{EXTRAS[package]}`"
        )


def parse_max_memory(text: str) -> dict[Location, int]:
    """`0=8GiB,cpu=20GiB` -> bytes by place. Raises UsageError."""
    found: dict[Location, int] = {}
    for entry in text.split(","):
        at, _, size = (piece.strip() for piece in entry.partition("="))
        if not (at == "cpu" or (at.isascii() and at.isdigit())) or not size:
            raise UsageError(
                f"invalid --max-memory {short_repr(entry.strip())}: expected a GPU number or cpu, then ="
                " and a size, like 0=8GiB,cpu=20GiB"
            )
        found[int(at) if at.isdigit() else at] = parse_size(size)
    return found


# --- what goes where -------------------------------------------------------------------------


def _budgets(
    kind: str, load_options: LoadOptions, machine: Machine, *, hypothetical: bool
) -> Iterator[tuple[Location, int]]:
    """The places that may be filled, in this order."""
    asked = load_options.max_memory or {}
    if kind == "cuda":
        for at in sorted(at for at in asked if isinstance(at, int)) or machine.gpus:
            free = machine.gpus[at].free * 9 // 10 if at in machine.gpus else asked[at]
            yield at, asked.get(at, free) if hypothetical else min(asked.get(at, free), free)
    kept = max(machine.cpu.free // 20, _LEAST_KEPT)
    free = max(machine.cpu.free - kept, 0)
    memory = asked.get("cpu", free)
    memory = memory if hypothetical else min(memory, free)
    if kind == "mps":
        yield "mps", memory
        return
    yield "cpu", memory


def _fill(needs: MemoryNeeds, budgets: Mapping[Location, int]) -> dict[str, Location] | None:
    """A place for each part: all where it is computed if that is possible, else GPUs first, then the
    CPU's memory, then the disk. None when even so there is no room to compute.
    """
    computing: list[Location] = [at for at in budgets if at != "cpu"] or ["cpu"]
    first = computing[0]
    room = dict(budgets)
    room[first] -= needs.work + needs.row
    whole = _spread(needs, computing, room)
    if whole is not None or needs.quantize or first == "mps":
        return whole
    # What lies elsewhere is brought to the first device part by part, and its cache is kept there.
    room[first] -= needs.largest
    if first == "cpu":
        room[first] -= needs.layer_cache * needs.spec.layers
        return _in_order(needs, ["cpu", "disk"], room, [])
    room[first] -= needs.layer_cache * needs.spec.layers
    others = [at for at in computing if at != first]
    return _in_order(needs, [*computing, "cpu", "disk"], room, others)


def _spread(
    needs: MemoryNeeds, places: Sequence[Location], room: Mapping[Location, int]
) -> dict[str, Location] | None:
    """All where it is computed, on several devices in like shares if that is possible."""
    total = sum(needs.weights(part) for part in needs.spec.parts)
    share = (total + needs.layer_cache * needs.spec.layers) // len(places) + needs.largest
    even = {at: min(room[at], share) for at in places}
    return _in_order(needs, places, even, places) or _in_order(needs, places, room, places)


def _in_order(
    needs: MemoryNeeds,
    places: Sequence[Location],
    room: Mapping[Location, int],
    cached: Sequence[Location],
) -> dict[str, Location] | None:
    """Fill the places one after the other; `cached` are those where a layer brings its cache along."""
    left = {at: room.get(at, 0) for at in places}
    if any(left[at] < 0 for at in places if at != "disk"):
        return None
    where: dict[str, Location] = {}
    open_places = list(places)
    for part in needs.spec.parts:
        while open_places:
            at = open_places[0]
            cache = needs.layer_cache if part.kind == LAYER and at in cached else 0
            size = needs.weights(part) + cache
            if at == "disk" or size <= left[at]:
                left[at] -= size
                where[part.module] = at
                break
            open_places.pop(0)
        else:
            return None
    return where


def _rows(found: Placement) -> int:
    """How many prompts fit at once, the first included."""
    needs = found.needs
    spare = []
    for at, budget in found.budgets.items():
        each = found.cache_at(at)
        fixed = found.weights_at(at)
        if at == compute_location("cpu", found.main):
            each += needs.row
            fixed += needs.work
        if each:
            spare.append((budget - fixed) // each)
    return max(min(spare, default=1), 1)


def _refusal(needs: MemoryNeeds, budgets: Mapping[Location, int]) -> str:
    """What does not fit, and what would."""
    weights = sum(needs.weights(part) for part in needs.spec.parts)
    found = ", ".join(f"{binary_size(size)} on {location_name(at)}" for at, size in budgets.items())
    needed = weights + needs.work + needs.row + needs.layer_cache * needs.spec.layers
    options = [
        f"--quantize {name}"
        for name in QUANTIZERS
        if name != needs.quantize and _fill(replace(needs, quantize=name), budgets) is not None
    ]
    if needs.quantize and _fill(replace(needs, quantize=None), budgets) is not None:
        options.append("no --quantize, which leaves layers on the disk")
    smaller = replace(needs, length=needs.spec.image_tokens + 64)
    if _fill(smaller, budgets) is not None:
        options.append(f"a length of {smaller.length} tokens")
    advice = " or ".join(options) if options else "a smaller model, or more memory"
    return (
        f"the model does not fit: {binary_size(needed)} are needed ({binary_size(weights)} of"
        f" weights as {needs.quantize or needs.dtype}) and there are {found}; what would fit:"
        f" {advice}"
    )


def location_name(at: Location) -> str:
    """A place in words."""
    return (
        f"GPU {at}" if isinstance(at, int) else {"cpu": "the CPU", "disk": "the disk"}.get(at, at)
    )
