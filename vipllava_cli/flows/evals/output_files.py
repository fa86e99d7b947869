"""The files that a benchmark's run leaves in its folder, beside the records."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vipllava_cli.flows.evals.metrics import Metric, to_csv, to_markdown, write_json
from vipllava_cli.storage.files import atomic_file


def write_scores(folder: Path, metrics: Sequence[Metric], about: Mapping[str, Any]) -> None:
    """`scores.json`, `scores.csv` and `scores.md`. Raises InputError where they cannot be written."""
    heading = f"{about['benchmark']}, {about.get('model') or about['predictions']}"
    texts = {
        "scores.json": write_json(metrics, about),
        "scores.csv": to_csv(metrics),
        "scores.md": to_markdown(metrics, heading, about),
    }
    for name, text in texts.items():
        _keep(folder / name, text)


def write_predictions(folder: Path, predictions: Mapping[str, str]) -> Path:
    """`predictions.json`: one object of answers by id, as other tools read them."""
    place = folder / "predictions.json"
    _keep(place, json.dumps(predictions, indent=1) + "\n")
    return place


def _keep(place: Path, text: str) -> None:
    with atomic_file(str(place)) as file:
        file.write(text.encode())
