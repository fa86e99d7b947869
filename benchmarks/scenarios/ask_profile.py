"""Where the processor time of a cold `ask` goes, and that of the minimal script, by part.

Processor time, because it depends less on what else the machine does.
"""

import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.measuring import Measure, summarize
from benchmarks.scenarios.ask import MINIMAL, make_commands, users_environment
from benchmarks.start_probe import PARTS

_END, _SUM = "the end of the process", "sum"
_OURS = "from vipllava_cli.__main__ import main\nmain()\n"


def run(bench: Bench) -> Iterator[Measure]:
    """Run both programs under the probe, in turn."""
    ours, minimal = make_commands(bench)
    programs = {
        "ask": _write(bench, "ask", _OURS, ours[ours.index("vipllava_cli") + 1 :]),
        "minimal script": _write(bench, "minimal", MINIMAL, minimal[minimal.index(MINIMAL) + 1 :]),
    }
    rounds = bench.choose(3, 1)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in programs}
    for number in range(-int(rounds > 1), rounds):
        for name, command in programs.items():
            times = _measure(command, bench.folder / "profile.json")
            if number >= 0:
                found[name].append(times)
    for name, all_times in found.items():
        for part in (*PARTS, _END, _SUM):
            values = [times[part] for times in all_times]
            yield summarize(f"{name}: {part}", values, "ms")


def _write(bench: Bench, name: str, code: str, arguments: list[str]) -> list[str]:
    program = bench.folder / f"{name}.py"
    program.write_text(code, encoding="utf-8")
    return [str(program), *arguments]


def _measure(program: list[str], result: Path) -> dict[str, float]:
    """Return milliseconds of processor time by part."""
    before = _children_seconds()
    command = [sys.executable, "-m", "benchmarks.start_probe", str(result), *program]
    subprocess.run(  # noqa: S603 - own commands
        command, check=True, stdout=subprocess.DEVNULL, env=users_environment()
    )
    total = 1000 * (_children_seconds() - before)
    times: dict[str, float] = json.loads(result.read_text(encoding="utf-8"))
    return {**times, _END: total - sum(times.values()), _SUM: total}


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
