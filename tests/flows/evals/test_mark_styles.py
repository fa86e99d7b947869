"""Benchmarks with a fake model, in every mark style."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import benchmark_files as files
from tests.support.batch import SilentListener
from tests.support.evals import read_records
from tests.support.fake_engine import INFO, FakeEngine
from vipllava_cli.engine.prompts.references import choose_reference
from vipllava_cli.flows.evals.benchmark import DatasetOptions
from vipllava_cli.flows.evals.registry import BENCHMARKS
from vipllava_cli.flows.evals.run import EvalModel, answer_samples
from vipllava_cli.flows.evals.style_scores import styles_for
from vipllava_cli.marks.reference_style import ReferenceStyle

NAMES: Sequence[tuple[str, Callable[[Path, int], Path]]] = (
    ("visual7w", files.visual7w),
    ("pointqa", files.pointqa),
    ("vcr", files.vcr),
)


@pytest.mark.parametrize(("name", "write"), NAMES)
@pytest.mark.parametrize("style", list(ReferenceStyle))
def test_the_questions_of_a_benchmark_refer_to_marks_in_the_style(
    name: str, write: Callable[[Path, int], Path], style: ReferenceStyle, tmp_path: Path
) -> None:
    data, out = write(tmp_path / "data", 2), tmp_path / "out"
    info = replace(INFO, family="llava-1.5")
    model = EvalModel(
        "fake",
        "1",
        lambda: FakeEngine(info=info),
        reference=choose_reference(style.value, "llava-1.5", "fake"),
    )
    evaluation = answer_samples(
        BENCHMARKS[name], DatasetOptions(data), out, model, SilentListener()
    )
    assert evaluation.facts.get("mark style") == style.recorded
    for record in read_records(out).values():
        assert record.get("mark_style") == style.recorded
        assert record["marks"]
        question = record["question"]
        colors = [mark["color"] for mark in record["marks"]]
        names_colors = any(f"{color} {noun}" in question for color in colors for noun in NOUNS)
        # PointQA says "within the rectangle", without a colour.
        assert names_colors == (
            name != "pointqa" and style not in (ReferenceStyle.numbered, ReferenceStyle.coordinates)
        )
        assert ("region 1" in question) == (style is ReferenceStyle.numbered)
        assert ("[0." in question) == style.writes_places


NOUNS = ("rectangle", "point")


def test_the_styles_that_can_be_compared() -> None:
    everything = [style.value for style in ReferenceStyle]
    assert styles_for(has_coordinates=True, by_text=False) == everything
    assert styles_for(has_coordinates=False, by_text=False) == ["drawn", "numbered", "crop"]
    assert styles_for(has_coordinates=True, by_text=True) == ["drawn", "coordinates+drawn", "crop"]
