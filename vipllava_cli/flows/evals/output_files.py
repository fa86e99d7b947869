"""The files that a benchmark's run leaves in its folder, beside the records."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vipllava_cli.flows.evals.metrics import Figure, to_csv, to_markdown, write_json
from vipllava_cli.storage.files import whole_file


def keep_scores(folder: Path, figures: Sequence[Figure], about: Mapping[str, Any]) -> None:
    """`scores.json`, `scores.csv` and `scores.md`. Raises InputError where they cannot be written."""
    heading = f"{about['benchmark']}, {about.get('model') or about['predictions']}"
    texts = {
        "scores.json": write_json(figures, about),
        "scores.csv": to_csv(figures),
        "scores.md": to_markdown(figures, heading, about),
    }
    for name, text in texts.items():
        _keep(folder / name, text)


def keep_predictions(folder: Path, predictions: Mapping[str, str]) -> Path:
    """`predictions.json`: one object of answers by id, as other tools read them."""
    place = folder / "predictions.json"
    _keep(place, json.dumps(predictions, indent=1) + "\n")
    return place


def _keep(place: Path, text: str) -> None:
    with whole_file(str(place)) as file:
        file.write(text.encode())
