"""All scenarios by name. A new scenario is one module in `scenarios/` and one line here."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Scenario:
    """A scenario: a module of `scenarios/`, and where it runs.

    `sizes` are the models that it runs with unless sizes are given; one without a model has the size
    `-`. `limit` is in seconds, for a full run. Scenarios that are `alone` get a process of their own,
    the others share a process and its open model. `devices` are the kinds of device it is for.
    """

    summary: str
    module: str
    sizes: tuple[str, ...] = ("mid",)
    limit: int = 120
    argument: str = ""
    alone: bool = False
    devices: tuple[str, ...] = ("cpu", "cuda")


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
    "ask": Scenario("a cold `ask`, against a minimal script", "ask", sizes=("tiny",), alone=True),
}
