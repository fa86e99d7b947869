"""Run benchmarks: `python -m benchmarks run [NAME ...]`, or list them."""

import argparse
import json
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.checkpoints import FOLDER, SIZES
from benchmarks.machine import describe_in_words, describe_machine
from benchmarks.registry import SCENARIOS
from benchmarks.report import number, write_table
from benchmarks.runner import Job, Runner

OUT = Path(__file__).parent.parent / "build" / "benchmarks"


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="list the scenarios")
    run = commands.add_parser("run", help="run scenarios, all without names")
    run.add_argument("names", nargs="*", metavar="NAME", help="a name of the list, or its start")
    run.add_argument(
        "--quick",
        dest="is_quick",
        action="store_true",
        help="few and short rounds, to see that it works",
    )
    run.add_argument("--size", choices=SIZES, action="append", help="instead of a scenario's own")
    run.add_argument("--device", type=device, default="cpu", help="cpu or cuda:0 (default: cpu)")
    run.add_argument("--seconds", type=seconds, default=24 * 3600, help="of the whole run")
    run.add_argument("--out", type=Path, default=OUT, help="folder of results.jsonl and results.md")
    run.add_argument(
        "--images",
        type=folder,
        action="append",
        default=[],
        metavar="FOLDER",
        help="further photographs, for the scenario photographs",
    )
    run.add_argument("--checkpoints", type=Path, default=FOLDER, help="folder of random models")
    return parser


def device(text: str) -> str:
    """Return a device that this machine has. Imports torch for a GPU only."""
    if not re.fullmatch(r"cpu|cuda(:\d+)?", text):
        raise argparse.ArgumentTypeError(f"invalid device {text!r}: expected cpu or cuda:0")
    if text != "cpu":
        import torch

        if int(text.partition(":")[2] or 0) >= (gpus := torch.cuda.device_count()):
            raise argparse.ArgumentTypeError(f"no {text}: torch finds {gpus} GPUs on this machine")
    return text


def seconds(text: str) -> float:
    """Return a time limit."""
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"invalid time {text!r}: expected seconds above 0")
    return value


def folder(text: str) -> Path:
    """Return a folder that exists."""
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {text}")
    return Path(text)


def choose_names(given: Sequence[str], device: str, *, is_quick: bool = False) -> list[str]:
    """Return the scenarios for a device whose names start like the given ones.

    Without names, these are all but the long ones that have to be named. A quick run has them, too.
    """
    for text in given:
        if not any(name.startswith(text) for name in SCENARIOS):
            raise SystemExit(f"error: no scenario {text}: see `python -m benchmarks list`")
    kind = device.partition(":")[0]
    names = [
        name
        for name, scenario in SCENARIOS.items()
        if kind in scenario.devices
        and (name.startswith(tuple(given)) if given else is_quick or not scenario.is_named)
    ]
    if not names:
        raise SystemExit(f"error: none of these scenarios runs on {device}: {' '.join(given)}")
    return names


def choose_jobs(names: Sequence[str], sizes: Sequence[str]) -> list[Job]:
    """Return the scenarios with each of the sizes; without sizes, with each of their own."""
    return [
        Job(name, size)
        for name in names
        for size in (sizes if sizes and SCENARIOS[name].has_size else SCENARIOS[name].sizes)
    ]


def run(given: argparse.Namespace) -> int:
    """Run, and rewrite the files after each event. Returns 1 if a scenario failed.

    Ctrl-C ends the run, and leaves the figures until then.
    """
    deadline = time.monotonic() + given.seconds
    sizes = given.size or (["tiny"] if given.is_quick else [])
    jobs = choose_jobs(choose_names(given.names, given.device, is_quick=given.is_quick), sizes)
    machine = describe_machine(given.device)
    print(describe_in_words(machine))
    events: list[dict[str, Any]] = []
    write_results(given.out, machine, events)
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(
            given.device, given.is_quick, Path(folder), given.checkpoints, deadline, given.images
        )
        try:
            for event in runner.run(jobs):
                events.append(event)
                print(describe_event(event), flush=True)
                write_results(given.out, machine, events)
        except KeyboardInterrupt:
            write_results(given.out, machine, events)  # it may have come while they were written
            print(f"interrupted: {given.out} has the figures until now", file=sys.stderr)
            return 130
    return int(any(event["event"] == "error" for event in events))


def write_results(out: Path, machine: dict[str, Any], events: Sequence[dict[str, Any]]) -> None:
    """Write the JSON lines and the table. Raises SystemExit if the folder cannot be written."""
    lines = [{"event": "machine", **machine}, *events]
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        (out / "results.md").write_text(write_table(machine, events))
    except OSError as error:
        reason = error.strerror or error
        raise SystemExit(
            f"error: {out} cannot be written: {reason}; choose another --out"
        ) from None


def describe_event(event: dict[str, Any]) -> str:
    """Return a line for the terminal."""
    name = f"{event['scenario']}, {event['size']}"
    match event["event"]:
        case "start":
            return f"{name}: start"
        case "measure":
            return f"{name}: {event['what']}: {number(event['value'])} {event['unit']}".rstrip()
        case "end":
            return f"{name}: {event['seconds']} s"
        case _:
            return f"{name}: {event['event']}: {event['reason']}"


def main() -> int:
    """Run the command line."""
    given = make_parser().parse_args()
    if given.command == "run":
        return run(given)
    for name, scenario in SCENARIOS.items():
        print(f"{name:20} {', '.join(scenario.sizes):10} {scenario.summary}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
