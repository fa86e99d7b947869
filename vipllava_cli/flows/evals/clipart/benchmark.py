"""The clip-art benchmark: scenes, backgrounds, sizes and questions that training leaves out.

Each scene has a naming question for each mark, and one question of every other kind. Two more
questions use templates that were written independently of those for training.

In every fourth scene, the first mark is then drawn on two objects in turn. The model follows the mark
if it names both.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from io import BytesIO

import numpy as np
from numpy.random import Generator
from PIL import Image

from vipllava_cli.engine.options import GREEDY
from vipllava_cli.flows.evals.benchmark import Benchmark, DatasetOptions
from vipllava_cli.flows.evals.clipart.outlines import outline
from vipllava_cli.flows.evals.clipart.question_generator import QuestionGenerator, SceneTurn
from vipllava_cli.flows.evals.clipart.questions import HOLDOUT_QUESTION_KINDS, QUESTION_KINDS, ask
from vipllava_cli.flows.evals.clipart.scenes import (
    FULL,
    MEASURED,
    UNSEEN,
    MarkedScene,
    SceneSettings,
    make_scene,
    mark_scene,
    scene_rng,
)
from vipllava_cli.flows.evals.dataset import Case, Result, Sample
from vipllava_cli.flows.evals.scorers import SCORERS, Scorer, combine
from vipllava_cli.marks.types import XY, Coordinate, Mark, MarkSpec

MARK_FOLLOWING_EVERY = 4  # scenes
IN_OTHER_WORDS = "in other words"  # the kind of group of the questions from independent templates
ALL: Mapping[str, str] = {"all": "all"}  # the groups of every case
_HOLDOUT_STREAM = 1  # random numbers apart from those of the scene
_SIZES = ((0.2, "under 0.2 of the side"), (0.3, "0.2 to 0.3"), (1.0, "over 0.3"))


def load(options: DatasetOptions) -> Iterator[Sample]:
    """Return the samples of the scenes that the options choose."""
    return samples(options.scenes, options.seed, options.transform, marks_apart=options.marks_apart)


def samples(
    count: int,
    seed: int,
    transform: str = "none",
    settings: SceneSettings = FULL,
    *,
    marks_apart: bool = False,
) -> Iterator[Sample]:
    """Yield a sample for each of `count` scenes, and one for each place of a moved mark.

    The marks are drawn on the images, or given beside them with `marks_apart`.
    """
    make = partial(_make_sample, transform=transform, marks_apart=marks_apart)
    for number in range(count):
        rng = scene_rng(MEASURED, seed, number)
        marked = mark_scene(rng, make_scene(rng, settings, UNSEEN), settings)
        others = scene_rng(MEASURED, seed, number, _HOLDOUT_STREAM)
        cases = (
            *_scene_cases(rng, marked, settings),
            *_holdout_cases(others, marked, settings, number),
        )
        yield make(f"{number}", marked, cases)
        if number % MARK_FOLLOWING_EVERY == 0 and len(marked.scene.placements) > 1:
            for place, moved in enumerate(_move_mark(rng, marked)):
                case = _naming_case(rng, moved, settings)
                yield make(f"{number}-moved-{place}", moved, (case,))


def _make_sample(
    id: str, marked: MarkedScene, cases: tuple[Case, ...], *, transform: str, marks_apart: bool
) -> Sample:
    """Return a sample with the marks in its image, or beside it and drawn after the transform."""
    if not marks_apart:
        return Sample(id, IMAGE_TRANSFORMS[transform](marked.image), cases)
    plain = marked.scene.image
    image = IMAGE_TRANSFORMS[transform](plain)
    move = _move_to_center if transform == "wide" else _scale_point
    marks = tuple(_spec(mark, partial(move, plain.size, image.size)) for mark in marked.marks)
    return Sample(id, image, cases, marks)


def _spec(mark: Mark, move: Callable[[XY], XY]) -> MarkSpec:
    parts = tuple(
        tuple(Coordinate(value) for point in part for value in move(point)) for part in mark.parts
    )
    return MarkSpec(mark.shape, parts, color=mark.color, width=mark.width, alpha=mark.alpha)


def score_words(result: Result) -> float:
    """Score the normalized text; of a list, the overlap of its items."""
    groups = result.case.groups
    is_list = "list" in (groups.get("kind"), groups.get(IN_OTHER_WORDS))
    return SCORERS["items" if is_list else "normalized"](result)


def combine_moved_marks(results: Iterable[Result], scorer: Scorer) -> list[Result]:
    """Return a result for each scene with a moved mark: correct if both objects are named."""
    scenes: dict[str, list[Result]] = {}
    for result in results:
        if "-moved-" in result.id:
            scenes.setdefault(result.id.partition("-")[0], []).append(result)
    groups = {"mark moved": "followed to both things"}
    return [combine(id, parts, scorer, groups) for id, parts in scenes.items()]


# --- cases -----------------------------------------------------------------------------------


def _scene_cases(rng: Generator, marked: MarkedScene, settings: SceneSettings) -> Iterator[Case]:
    generator = QuestionGenerator(rng, marked, settings, measured=True)
    for kind in QUESTION_KINDS:
        for mark in range(len(marked.marks)) if kind == "naming" else (None,):
            scene_turn = ask(generator, kind, mark)
            if scene_turn is not None:
                yield _make_case(marked, scene_turn)


def _holdout_cases(
    rng: Generator, marked: MarkedScene, settings: SceneSettings, number: int
) -> Iterator[Case]:
    """Yield a naming case and a case of one other kind; the scene's number chooses that kind."""
    generator = QuestionGenerator(rng, marked, settings, measured=True)
    naming, *rest = HOLDOUT_QUESTION_KINDS
    for kind in (naming, rest[number % len(rest)]):
        scene_turn = ask(generator, kind, kinds=HOLDOUT_QUESTION_KINDS)
        if scene_turn is not None:
            yield Case(scene_turn.question, scene_turn.answer, {**ALL, IN_OTHER_WORDS: kind})


def _make_case(marked: MarkedScene, scene_turn: SceneTurn) -> Case:
    groups = {**ALL, "kind": scene_turn.kind}
    if scene_turn.kind == "naming" and scene_turn.mark is not None:
        mark, placement = marked.marks[scene_turn.mark], marked.marked_placement(scene_turn.mark)
        left, top, right, bottom = placement.box
        side = max(right - left, bottom - top) / max(marked.scene.image.size)
        groups |= {
            "shape": mark.shape,
            "colour": mark.color.name,
            "things in the scene": str(len(marked.scene.placements)),
            "size of the marked thing": next(name for most, name in _SIZES if side < most),
        }
    return Case(scene_turn.question, scene_turn.answer, groups)


def _move_mark(rng: Generator, marked: MarkedScene) -> Iterator[MarkedScene]:
    """Yield the scene with only its first mark, on one object and then on another."""
    mark, placements = marked.marks[0], marked.scene.placements
    for target in rng.permutation(len(placements))[:2].tolist():
        parts = outline(rng, mark.shape, placements[target].silhouette)
        yield MarkedScene(marked.scene, (replace(mark, parts=parts),), (target,))


def _naming_case(rng: Generator, marked: MarkedScene, settings: SceneSettings) -> Case:
    scene_turn = ask(QuestionGenerator(rng, marked, settings, measured=True), "naming", 0)
    assert scene_turn is not None  # noqa: S101 - every scene has an object to name
    return Case(scene_turn.question, scene_turn.answer, ALL)


# --- image transforms ------------------------------------------------------------------------


def _as_jpeg(image: Image.Image) -> Image.Image:
    data = BytesIO()
    image.save(data, "JPEG", quality=60)
    return Image.open(data).convert("RGB")


def _scaled(factor: float) -> Callable[[Image.Image], Image.Image]:
    return lambda image: image.resize(
        (round(image.width * factor), round(image.height * factor)), Image.Resampling.LANCZOS
    )


def _on_a_wide_canvas(image: Image.Image) -> Image.Image:
    """Center the image on a canvas that is wider by a third, in the image's mean colour."""
    width = round(image.width * 4 / 3)
    mean = np.asarray(image).reshape(-1, 3).mean(0).astype(int).tolist()
    canvas = Image.new("RGB", (width, image.height), tuple(mean))
    canvas.paste(image, ((width - image.width) // 2, 0))
    return canvas


def _scale_point(before: tuple[int, int], after: tuple[int, int], point: XY) -> XY:
    return point[0] * after[0] / before[0], point[1] * after[1] / before[1]


def _move_to_center(before: tuple[int, int], after: tuple[int, int], point: XY) -> XY:
    return point[0] + (after[0] - before[0]) // 2, point[1]


IMAGE_TRANSFORMS: Mapping[str, Callable[[Image.Image], Image.Image]] = {
    "none": lambda image: image,
    "jpeg": _as_jpeg,
    "half": _scaled(0.5),
    "double": _scaled(2.0),
    "wide": _on_a_wide_canvas,
}


CLIPART = Benchmark(
    name="clipart",
    load=load,
    scorers={"words": score_words},
    max_new_tokens=GREEDY.max_new_tokens,
    facts=lambda options: {
        "n": options.scenes,
        "seed": options.seed,
        "journey": options.transform,  # the name of `transform` in version 0.1.0
    },
    group_order=[name for _, name in _SIZES],
    combine=combine_moved_marks,
    notes_rows=False,  # a question of each scene names a mark that is not there
)
