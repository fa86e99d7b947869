"""The registry: every benchmark is complete, and `eval` offers it."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.support import benchmark_files as files
from tests.support import vp_bench_files as vp
from vipllava_cli.cli.benchmark_options import By, ImageTransform, Split
from vipllava_cli.flows.evals import benchmark as module
from vipllava_cli.flows.evals.benchmark import Benchmark, DatasetOptions
from vipllava_cli.flows.evals.clipart.benchmark import IMAGE_TRANSFORMS
from vipllava_cli.flows.evals.registry import BENCHMARKS
from vipllava_cli.flows.evals.scorers import SCORERS
from vipllava_cli.sources.vip_bench import SPLITS

# Scorer, kind of group, group and 7B percentage of one published figure of each benchmark.
PUBLISHED = {
    "visual7w": ("published", "all", "all", 86.60),
    "pointqa": ("published", "all", "all", 71.31),
    "vcr": ("published", "task", "Q to AR", 78.93),
    "vip-bench": ("bbox", "capability", "rec", 56.7),
}


def _data(name: str, folder: Path) -> DatasetOptions:
    if name == "clipart":
        return DatasetOptions(scenes=2)
    if name == "vp-bench":
        return DatasetOptions(vp.write_parquet(folder / "vp.parquet", vp.stage_1_rows(2)))
    if name == "vip-bench":
        image = files.scenes(1)[0].image
        image.save(folder / "a.png")
        row = ("0", folder / "a.png", "what is in the red box?", "a dog", ["rec"])
        return DatasetOptions(files.vip_bench(folder / "data", [row]))
    data: Path = getattr(files, name)(folder / "data", 2)
    return DatasetOptions(data)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_has_a_dataset_and_scorers(name: str, tmp_path: Path) -> None:
    benchmark = BENCHMARKS[name]
    assert benchmark.name == name
    options = _data(name, tmp_path)
    samples = list(benchmark.load(options))
    assert samples
    for sample in samples:
        assert sample.error is None
        assert all(case.question and case.target for case in sample.cases)
    assert len(list(benchmark.load(replace(options, scenes=1, limit=1)))) <= len(samples)
    if not benchmark.scorers:
        assert benchmark.from_predictions is not None
        assert len(benchmark.from_predictions(options, {})) == len(samples)
    assert benchmark.facts(options)
    assert benchmark.max_new_tokens > 0


def test_the_benchmarks_with_a_judge_are_known() -> None:
    assert [name for name, each in BENCHMARKS.items() if not each.scorers] == ["vip-bench"]


@pytest.mark.parametrize(("name", "figure"), PUBLISHED.items())
def test_published_figures(name: str, figure: tuple[str, str, str, float]) -> None:
    scorer, kind, group, percent = figure
    published = BENCHMARKS[name].published
    assert published[scorer][kind][group]["ViP-LLaVA 7B"] == percent
    for kinds in published.values():
        for groups in kinds.values():
            for models in groups.values():
                assert all(0 < value < 100 for value in models.values())


def test_the_benchmarks_with_published_figures_are_known() -> None:
    assert {name for name, each in BENCHMARKS.items() if each.published} == set(PUBLISHED)
    assert set(BENCHMARKS["vip-bench"].published) == set(SPLITS)


def test_help_lists_every_benchmark_and_not_the_old_name(run: Run) -> None:
    result = run("eval", "--help")
    listed = [line.split()[1] for line in result.stdout.splitlines() if len(line.split()) > 2]
    assert [name for name in listed if name in BENCHMARKS] == list(BENCHMARKS)
    assert "demo" not in result.stdout


def test_options_match_the_values_of_the_flows() -> None:
    assert [each.value for each in ImageTransform] == list(IMAGE_TRANSFORMS)
    assert [each.value for each in Split] == list(SPLITS)
    assert {each.value for each in By} == {module.LETTER, module.LIKELIHOOD, module.TEXT}


def test_a_new_benchmark_needs_only_a_name_a_dataset_and_scorers() -> None:
    benchmark = Benchmark("mine", lambda options: iter(()), {"exact": SCORERS["exact"]})
    assert (benchmark.published, benchmark.combine) == ({}, None)
