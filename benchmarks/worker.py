"""A process that runs scenarios with one model, and prints what they yield as JSON lines.

Standard output carries these lines only: what a scenario or a library prints goes to standard error.
"""

import argparse
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench
from benchmarks.measuring import NotAvailable
from benchmarks.registry import SCENARIOS


def run_scenario(name: str, bench: Bench, emit: Callable[..., None]) -> None:
    """Run one scenario. An error ends it, and not the others."""
    scenario = SCENARIOS[name]
    bench.argument = scenario.argument
    start = time.perf_counter()
    emit(event="start", scenario=name)
    try:
        module = import_module(f"benchmarks.scenarios.{scenario.module}")
        for measure in module.run(bench):
            emit(event="measure", scenario=name, **asdict(measure))
    except NotAvailable as reason:
        emit(event="absent", scenario=name, reason=str(reason))
    except (Exception, SystemExit) as error:
        traceback.print_exc()
        emit(event="error", scenario=name, reason=f"{type(error).__name__}: {error}"[:500])
    emit(event="end", scenario=name, seconds=round(time.perf_counter() - start, 1))


def main() -> None:
    """Run the scenarios of the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="+")
    parser.add_argument("--size", required=True)
    parser.add_argument("--device", required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--checkpoints", type=Path, required=True)
    parser.add_argument("--images", type=Path, action="append", default=[])
    given = parser.parse_args()
    lines = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def emit(**fields: Any) -> None:
        lines.write(json.dumps(fields) + "\n")

    bench = Bench(
        given.size, given.device, given.quick, given.folder, given.checkpoints, given.images
    )
    for name in given.names:
        run_scenario(name, bench, emit)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
