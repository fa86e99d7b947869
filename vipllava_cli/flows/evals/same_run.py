"""Where a folder holds another run of a benchmark: what differs, in one line.

The records show another model, template or option (`flows/batch/conflicts.py`). The scores and the
images show what the records do not: another seed or transform gives other images of equal names.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vipllava_cli.flows.evals.benchmark import Benchmark, DatasetOptions
from vipllava_cli.flows.evals.dataset import MAX_DATA_BYTES
from vipllava_cli.flows.evals.output_files import SCORES_NAME
from vipllava_cli.flows.evals.sample_images import AnotherRunError
from vipllava_cli.storage.json_files import read_json

# The facts in `scores.json` that decide the questions and images -> their options. A run with another
# number of rows is the same run.
_OPTIONS: Mapping[str, str] = {
    "journey": "--transform",
    "split": "--split",
    "by": "--by",
    "seed": "--seed",
}
_OLD_NAMES: Mapping[str, str] = {"demo": "clipart"}  # of benchmarks in version 0.1.0


def check_same_run(folder: Path, benchmark: Benchmark, options: DatasetOptions) -> None:
    """Check that the scores in a folder are of the same benchmark and dataset.

    Raises AnotherRunError. Scores that are missing or broken show nothing.
    """
    try:
        scores = read_json(folder / SCORES_NAME, MAX_DATA_BYTES)
    except (OSError, ValueError):
        return
    if not isinstance(scores, dict):
        return
    name = scores.get("benchmark")
    name = _OLD_NAMES.get(name, name) if isinstance(name, str) else benchmark.name
    if name != benchmark.name:
        raise AnotherRunError(f"{folder} has a run of {name}, but this run is of {benchmark.name}")
    facts = benchmark.facts(options)
    for fact, option in _OPTIONS.items():
        if fact in facts and fact in scores and scores[fact] != facts[fact]:
            found, wanted = _join(option, scores[fact]), _join(option, facts[fact])
            raise AnotherRunError(f"{folder} has a run with {found}, but this run has {wanted}")


def _join(option: str, value: Any) -> str:
    return f"{option} {value}"
