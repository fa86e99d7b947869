"""ViP-Bench: free answers about images with marks in them, graded by a judge.

The folder is the published one: `bbox/` and `human/`, each with `images/` and `questions.jsonl`, and
`vip-bench-meta-data.json` with the right answers. https://huggingface.co/datasets/mucai/ViP-Bench
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.flows.evals.dataset import Case, Result, Sample
from vipllava_cli.sources.rows import BadRow
from vipllava_cli.sources.vip_bench import SPLITS, read_vip_bench

META = "vip-bench-meta-data.json"
MOST_NEW_TOKENS = 1024
_EVERY, _CAPABILITY, _SET = "all", "capability", "exact set"


def _of_split(
    total: float, rec: float, ocr: float, know: float, math: float, rel: float, lang: float
) -> dict[str, float]:
    return {
        "all": total,
        "rec": rec,
        "ocr": ocr,
        "know": know,
        "math": math,
        "rel": rel,
        "lang": lang,
    }


# Table 5 of the paper, arXiv 2312.00784, by split and model; graded by gpt-4-0613.
PUBLISHED: Mapping[str, Mapping[str, Mapping[str, float]]] = {
    "bbox": {
        "ViP-LLaVA 7B": _of_split(48.4, 56.7, 19.4, 49.7, 10.0, 50.4, 33.8),
        "ViP-LLaVA 13B": _of_split(48.3, 56.3, 24.6, 53.4, 15.5, 50.0, 53.8),
        "GPT-4V": {"rec": 58.1, "ocr": 48.5, "know": 69.5, "math": 63.3, "rel": 82.9, "lang": 68.1},
    },
    "human": {
        "ViP-LLaVA 7B": _of_split(48.3, 56.7, 21.2, 47.1, 12.3, 50.4, 36.2),
        "ViP-LLaVA 13B": {"all": 48.2},
    },
}


@dataclass(frozen=True)
class Truth:
    """A right answer, `<AND>` between parts that are all needed, `<OR>` between ones of which any will
    do; the question as it was meant, and what it takes.
    """

    question: str
    answer: str
    capabilities: tuple[str, ...]

    @property
    def groups(self) -> dict[str, str | tuple[str, ...]]:
        exact = "+".join(sorted(self.capabilities))
        return {_EVERY: "all", _CAPABILITY: self.capabilities, _SET: exact}


def samples(data: Path, split: str, limit: int | None) -> Iterator[Sample]:
    """A page for each question of a split. Raises InputError for a folder that is another."""
    truths = read_truths(data)
    source = read_vip_bench(str(data / split))
    return (_page(row, truths) for row in islice(source.rows, limit))


def read_truths(data: Path) -> dict[str, Truth]:
    """The right answers by id, `v1_0` and so on. Raises InputError."""
    path = data / META
    expected = f"expected {META} in it, and {' or '.join(SPLITS)} with images/ and questions.jsonl"
    if not data.is_dir():
        raise InputError(f"there is no folder {data}: {expected}")
    try:
        meta = json.loads(path.read_bytes())
        return {id: _truth(entry) for id, entry in meta.items()}
    except FileNotFoundError:
        raise InputError(f"{data} is not ViP-Bench: {expected}") from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            f"{path} cannot be used: expected an object of questions with question, answer and"
            f" capability ({short_repr(str(error))})"
        ) from None


def _truth(entry: Mapping[str, Any]) -> Truth:
    capability = entry["capability"]
    if not isinstance(capability, list) or not capability:
        raise ValueError(f"capability {short_repr(capability)}")
    return Truth(str(entry["question"]), str(entry["answer"]), tuple(map(str, capability)))


def _page(row: Any, truths: Mapping[str, Truth]) -> Sample:
    truth = truths.get(row.id)
    groups = truth.groups if truth else {_EVERY: "all"}
    error = row.error if isinstance(row, BadRow) else None
    if truth is None and error is None:
        error = InputError(f"{META} has no {row.id}: the questions are of another set")
    question = "" if isinstance(row, BadRow) else row.questions[0]
    case = Case(question, truth.answer if truth else "", groups)
    return Sample(row.id, row.image, (case,), error=error)


def asked(result: Result, truths: Mapping[str, Truth]) -> str:
    """The question as a judge reads it: as it was meant, with `<obj>` for what is marked."""
    truth = truths.get(result.id)
    return truth.question if truth else result.case.question


def published(split: str) -> Mapping[str, Mapping[str, Mapping[str, float]]]:
    """Percents of published runs, by sort of group and group."""
    groups = dict.fromkeys(group for known in PUBLISHED[split].values() for group in known)
    by_group = {
        group: {model: known[group] for model, known in PUBLISHED[split].items() if group in known}
        for group in groups
    }
    return dict.fromkeys((_EVERY, _CAPABILITY), by_group)


def predictions(results: Iterable[Result]) -> dict[str, str]:
    """The answers as other tools read them; a failed one is empty."""
    return {result.id: result.answer or "" for result in results}


def read_predictions(file: Path) -> dict[str, str]:
    """Stored predictions, one JSON object of `"v1_0": "…"`. Raises InputError."""
    try:
        found = json.loads(file.read_bytes())
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from None
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(text, str) for text in found.values()):
        raise InputError(
            f'{file} holds no predictions: expected one JSON object, {{"v1_0": "…", …}}'
        )
    return found


def of_predictions(
    stored: Mapping[str, str], truths: Mapping[str, Truth], limit: int | None
) -> list[Result]:
    """A result for every truth; one without a prediction failed."""
    return [
        Result(id, Case(truth.question, truth.answer, truth.groups), stored.get(id))
        for id, truth in islice(truths.items(), limit)
    ]
