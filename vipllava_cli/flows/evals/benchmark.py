"""The definition of a benchmark: a dataset, scorers, and published figures."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vipllava_cli.flows.evals.dataset import Result, Sample
from vipllava_cli.flows.evals.metrics import ACCURACY, PublishedFigures
from vipllava_cli.flows.evals.scorers import Scorer

LETTER, LIKELIHOOD, TEXT = "letter", "likelihood", "text"  # values of `by`


@dataclass(frozen=True)
class DatasetOptions:
    """The user's options for the dataset. Each benchmark reads the fields that apply to it.

    `data` is the folder with the benchmark's files, `questions` the file of rows in it (None: the
    only JSON file). `limit` keeps the first rows. `seed` draws colours or scenes. `by` says how the
    model chooses an option: the letter that it writes, the likeliest letter, or the option whose
    text is the likeliest answer.

    `max_new_tokens` replaces the benchmark's limit of an answer. Only `clipart` has `scenes` (their
    number) and `transform`; only `vip-bench` has `split`. With `marks_apart`, marks that a benchmark
    draws itself are beside its images, for another mark style.
    """

    data: Path = Path()
    questions: Path | None = None
    limit: int | None = None
    seed: int = 0
    by: str = LETTER
    split: str = "bbox"
    scenes: int = 200
    transform: str = "none"
    max_new_tokens: int | None = None
    marks_apart: bool = False

    @property
    def by_text(self) -> bool:
        return self.by == TEXT


def _row_facts(options: DatasetOptions) -> dict[str, Any]:
    return {"by": options.by, "seed": options.seed, "limit": options.limit}


@dataclass(frozen=True)
class Benchmark:
    """A benchmark that `vipllava eval` runs.

    - `load` returns the samples. It raises InputError at once if the data are not usable.
    - `scorers` are by their names in the scores. A benchmark without scorers needs a judge.
    - `published` holds figures of other runs by scorer; with a judge, by split.
    - `max_new_tokens` limits an answer. The default is that of ViP-LLaVA's evaluations of letters
      and phrases.
    - `measure` names the scores in tables. `overall` is the kind and the group of the metric about the
      complete benchmark. `group_order` lists groups whose order is not the natural one of their names.
    - `facts` returns the options that the scores name.
    - `combine` returns results about several results together, which count as groups of their own.
    - `from_predictions` returns results of stored answers by id, if the benchmark supports them.
    - `notes_rows` is that of `BatchTask`.
    """

    name: str
    load: Callable[[DatasetOptions], Iterator[Sample]]
    scorers: Mapping[str, Scorer] = field(default_factory=dict)
    published: Mapping[str, PublishedFigures] = field(default_factory=dict)
    max_new_tokens: int = 128
    measure: str = ACCURACY
    overall: tuple[str, str] = ("all", "all")
    group_order: Sequence[str] = ()
    facts: Callable[[DatasetOptions], dict[str, Any]] = _row_facts
    combine: Callable[[Sequence[Result], Scorer], list[Result]] | None = None
    from_predictions: Callable[[DatasetOptions, Mapping[str, str]], list[Result]] | None = None
    notes_rows: bool = True
