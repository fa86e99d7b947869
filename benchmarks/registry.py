"""All scenarios by name. A new scenario is one module in `scenarios/` and one line here."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Scenario:
    """A scenario: a module of `scenarios/`, and where it runs.

    `sizes` are the models that it runs with unless sizes are given. One with the shipped model only, or
    with none, has the size `-`. `limit` is in seconds, for a full run. Scenarios that are `alone` get
    a process of their own, the others share a process and its open model. One that `runs_commands`
    opens no model itself: a quick run has it beside the others. One that `is_named` runs if its name is
    given, and in quick runs. `devices` are the kinds of device it is for.
    """

    summary: str
    module: str
    sizes: tuple[str, ...] = ("mid",)
    limit: int = 120
    argument: str = ""
    alone: bool = False
    runs_commands: bool = False
    is_named: bool = False
    devices: tuple[str, ...] = ("cpu", "cuda")

    @property
    def has_size(self) -> bool:
        """Whether it runs with models of other sizes."""
        return self.sizes != NO_SIZE


NO_SIZE = ("-",)
_PRECISIONS = {
    "fp32": ("cpu",),
    "bf16": ("cpu", "cuda"),
    "fp16": ("cpu", "cuda"),
    "int8": ("cpu", "cuda"),
    "nf4": ("cpu", "cuda"),
}
_PLACEMENTS = {
    "one": ("the whole model on one device", ("cpu", "cuda")),
    "cpu": ("layers in main memory beside a GPU", ("cuda",)),
    "disk": ("layers on the disk", ("cpu", "cuda")),
}

_LOADINGS = {
    "plain": "loading and answering, memory and `cat`",
    "int8": "the same with --quantize int8",
    "nf4": "the same with --quantize nf4",
    "disk": "the same with layers on the disk",
}

# The most important first: a run with a time limit stops somewhere.
SCENARIOS: Mapping[str, Scenario] = {
    "machine": Scenario("copy bandwidth and matrix peak of the device", "machine_limits"),
    "decode": Scenario("tokens of one answer, against the bandwidth", "decode"),
    "prefill": Scenario("a prompt, against the matrix peak", "prefill"),
    "throughput": Scenario(
        "`batch`, against loops and pipelines of transformers",
        "throughput",
        sizes=("tiny", "mid"),
        limit=240,
    ),
    "chat": Scenario("the first token of later turns, against the first turn", "chat"),
    "plan": Scenario("what `plan` predicts, against the measured", "plan", alone=True),
    **{
        f"precision-{name}": Scenario(
            f"speed in {name}", "precision", argument=name, alone=True, devices=devices
        )
        for name, devices in _PRECISIONS.items()
    },
    **{
        f"placement-{name}": Scenario(
            summary, "placement", argument=name, alone=True, devices=devices
        )
        for name, (summary, devices) in _PLACEMENTS.items()
    },
    "ask": Scenario(
        "a cold `ask`, against a minimal script",
        "ask",
        sizes=("tiny",),
        alone=True,
        runs_commands=True,
    ),
    "ask-profile": Scenario(
        "where the time of a cold `ask` goes",
        "ask_profile",
        sizes=("tiny",),
        alone=True,
        runs_commands=True,
    ),
    **{
        f"loading-{name}": Scenario(
            summary,
            "loading",
            argument=name,
            limit=900,
            alone=True,
            runs_commands=True,
            devices=("cpu",),
        )
        for name, summary in _LOADINGS.items()
    },
    "questions": Scenario("several questions about an image", "questions", limit=400),
    "choices": Scenario("scoring choices, against an answer of their length", "choices"),
    "fields": Scenario("several fields, against one question", "fields", sizes=("tiny",)),
    "server": Scenario("`batch`, against `transformers serve`", "server", sizes=("tiny",)),
    "equality": Scenario(
        "answers of the fast paths, against `generate` over complete prompts",
        "equality",
        limit=3600,
        alone=True,
        is_named=True,
    ),
    "requests": Scenario(
        "a whole `batch` on a server, against one request after the other",
        "requests",
        sizes=NO_SIZE,
    ),
    "startup": Scenario("`--help`, against a bare Typer program", "startup", sizes=NO_SIZE),
    "memory": Scenario("the peak memory of `batch`", "memory", sizes=NO_SIZE, limit=900),
    "kills": Scenario("a `batch` that is killed and restarted", "kills", sizes=NO_SIZE, limit=500),
    "photographs": Scenario("what is taken for a photograph", "photographs", sizes=NO_SIZE),
}
