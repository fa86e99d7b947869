"""ViP-Bench: free answers about images that contain marks, graded by a judge.

The folder is the published one: `bbox/` and `human/`, each with `images/` and `questions.jsonl`, and
`vip-bench-meta-data.json` with the targets. https://huggingface.co/datasets/mucai/ViP-Bench
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.flows.evals.benchmark import Benchmark, DatasetOptions
from vipllava_cli.flows.evals.dataset import MAX_DATA_BYTES, Case, Result, Sample
from vipllava_cli.flows.evals.metrics import PublishedFigures
from vipllava_cli.sources.rows import BadRow
from vipllava_cli.sources.vip_bench import SPLITS, read_vip_bench
from vipllava_cli.storage.json_files import read_json
from vipllava_cli.storage.similar_names import describe_missing_folder

META = "vip-bench-meta-data.json"
MAX_NEW_TOKENS = 1024
CAPABILITIES = ("rec", "ocr", "know", "math", "rel", "lang")
_ALL, _CAPABILITY, _SET = "all", "capability", "exact set"


@dataclass(frozen=True)
class Truth:
    """An entry of the meta-data.

    `answer` joins parts that are all needed with `<AND>`, and alternatives with `<OR>`. `question`
    names the marked objects `<obj>`, `<obj1>`, …; `capabilities` lists the skills it tests.
    """

    question: str
    answer: str
    capabilities: tuple[str, ...]

    @property
    def groups(self) -> dict[str, str | tuple[str, ...]]:
        exact = "+".join(sorted(self.capabilities))
        return {_ALL: "all", _CAPABILITY: self.capabilities, _SET: exact}


def load(options: DatasetOptions) -> Iterator[Sample]:
    """Return a sample for each question of a split. Raises InputError for another folder."""
    truths = read_truths(options.data)
    source = read_vip_bench(str(options.data / options.split))
    return (_make_sample(row, truths) for row in islice(source.rows, options.limit))


def from_predictions(options: DatasetOptions, answers: Mapping[str, str]) -> list[Result]:
    """Return a result for each entry of the meta-data. One without an answer failed."""
    return [
        Result(id, _make_case(truth.question, truth), answers.get(id))
        for id, truth in read_truths(options.data).items()
    ]


def read_truths(data: Path) -> dict[str, Truth]:
    """Read the meta-data by id, `v1_0` and so on. Raises InputError."""
    path = data / META
    expected = f"expected {META} in it, and {' or '.join(SPLITS)} with images/ and questions.jsonl"
    if not data.is_dir():
        raise InputError(describe_missing_folder(str(data), expected))
    try:
        meta = read_json(path, MAX_DATA_BYTES)
        return {id: _parse_truth(entry) for id, entry in meta.items()}
    except FileNotFoundError:
        raise InputError(f"{data} is not ViP-Bench: {expected}") from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            f"{path} cannot be used: expected an object of questions with question, answer and"
            f" capability ({short_repr(str(error))})"
        ) from None


def _parse_truth(entry: Mapping[str, Any]) -> Truth:
    capability = entry["capability"]
    if not isinstance(capability, list) or not capability:
        raise ValueError(f"capability {short_repr(capability)}")
    return Truth(str(entry["question"]), str(entry["answer"]), tuple(map(str, capability)))


def _make_sample(row: Any, truths: Mapping[str, Truth]) -> Sample:
    truth = truths.get(row.id)
    error = row.error if isinstance(row, BadRow) else None
    if truth is None and error is None:
        error = InputError(f"{META} has no {row.id}: the questions are of another set")
    question = "" if isinstance(row, BadRow) else row.questions[0]
    case = _make_case(question, truth) if truth else Case(question, "", {_ALL: "all"})
    return Sample(row.id, row.image, (case,), error=error)


def _make_case(question: str, truth: Truth) -> Case:
    return Case(question, truth.answer, truth.groups, judge_question=truth.question)


# --- published figures -----------------------------------------------------------------------


def _figures(total: float, *by_capability: float) -> dict[str, float]:
    """Name the figures of a model: the total, then one for each of `CAPABILITIES`."""
    return {"all": total, **dict(zip(CAPABILITIES, by_capability, strict=True))}


# Table 5 of the paper, arXiv 2312.00784, by split and model; graded by gpt-4-0613.
_BY_MODEL: Mapping[str, Mapping[str, Mapping[str, float]]] = {
    "bbox": {
        "ViP-LLaVA 7B": _figures(48.4, 56.7, 19.4, 49.7, 10.0, 50.4, 33.8),
        "ViP-LLaVA 13B": _figures(48.3, 56.3, 24.6, 53.4, 15.5, 50.0, 53.8),
        "GPT-4V": {"rec": 58.1, "ocr": 48.5, "know": 69.5, "math": 63.3, "rel": 82.9, "lang": 68.1},
    },
    "human": {
        "ViP-LLaVA 7B": _figures(48.3, 56.7, 21.2, 47.1, 12.3, 50.4, 36.2),
        "ViP-LLaVA 13B": {"all": 48.2},
    },
}


def _by_group(by_model: Mapping[str, Mapping[str, float]]) -> PublishedFigures:
    """Turn figures by model and group into figures by kind of group, group and model."""
    names = dict.fromkeys(group for figures in by_model.values() for group in figures)
    groups = {
        name: {model: figures[name] for model, figures in by_model.items() if name in figures}
        for name in names
    }
    return {_ALL: groups, _CAPABILITY: groups}


VIP_BENCH = Benchmark(
    name="vip-bench",
    load=load,
    published={split: _by_group(figures) for split, figures in _BY_MODEL.items()},
    max_new_tokens=MAX_NEW_TOKENS,
    measure="score",  # the judge grades from 0 to 1
    overall=(_ALL, "all"),
    group_order=CAPABILITIES,
    facts=lambda options: {"split": options.split, "limit": options.limit},
    from_predictions=from_predictions,
)
