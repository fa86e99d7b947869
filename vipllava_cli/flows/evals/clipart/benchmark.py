"""The demo model's own benchmark: clip-art scenes, backgrounds, sizes and wordings kept from training.

Every scene is asked what each mark shows, and one question of every other kind. In every fourth scene
the same mark is then put on two things in turn, and both must be named: does the model look at what
is pointed at?

Two questions of each scene are asked once more in words that were written without sight of those to
learn from.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from io import BytesIO

import numpy as np
from numpy.random import Generator
from PIL import Image

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
from vipllava_cli.flows.evals.metrics import Metric, ScoreCounts, metric

MARK_FOLLOWING_EVERY = 4
IN_OTHER_WORDS = "in other words"  # a sort of group, of kinds
_OTHERS = 1  # a stream of numbers apart from the scene's own
_SIZES = ((0.2, "under 0.2 of the side"), (0.3, "0.2 to 0.3"), (1.0, "over 0.3"))


def samples(
    count: int, seed: int, transform: str = "none", world: SceneSettings = FULL
) -> Iterator[Sample]:
    """`count` scenes, each on a page, and the pages of the marks that are moved."""
    travel = IMAGE_TRANSFORMS[transform]
    for number in range(count):
        rng = scene_rng(MEASURED, seed, number)
        marked = mark_scene(rng, make_scene(rng, world, UNSEEN), world)
        others = scene_rng(MEASURED, seed, number, _OTHERS)
        cases = (
            *_examples(rng, marked, world),
            *_in_other_words(others, marked, world, number),
        )
        yield Sample(f"{number}", travel(marked.image), cases)
        if number % MARK_FOLLOWING_EVERY == 0 and len(marked.scene.placements) > 1:
            for which, moved in enumerate(_moved(rng, marked)):
                case = _named(rng, moved, world)
                yield Sample(f"{number}-moved-{which}", travel(moved.image), (case,))


def score(result: Result) -> float:
    """1 for the wanted words; of a list, what it shares with the wanted one of all that either names."""
    said, wanted = _plain(result.answer or ""), _plain(result.case.wanted)
    groups = result.case.groups
    if "list" in (groups.get("kind"), groups.get(IN_OTHER_WORDS)):
        named, shown = set(_items(said)), set(_items(wanted))
        return len(named & shown) / len(named | shown)
    return float(said == wanted)


def mark_following(results: Sequence[Result]) -> list[Metric]:
    """In how many scenes the moved mark was followed to both things, if there is such a scene."""
    moved: dict[str, list[Result]] = {}
    for result in results:
        if "-moved-" in result.id:
            moved.setdefault(result.id.partition("-")[0], []).append(result)
    scores = ScoreCounts()
    for both in moved.values():
        failed = any(result.answer is None for result in both)
        scores.add(float(not failed and all(map(score, both))), failed=failed)
    return [metric("words", "mark moved", "followed to both things", scores)] if moved else []


# --- examples --------------------------------------------------------------------------------


def _examples(rng: Generator, marked: MarkedScene, world: SceneSettings) -> Iterator[Case]:
    generator = QuestionGenerator(rng, marked, world, measured=True)
    for kind in QUESTION_KINDS:
        for mark in range(len(marked.marks)) if kind == "naming" else (None,):
            scene_turn = ask(generator, kind, mark)
            if scene_turn is not None:
                yield _example(marked, scene_turn)


def _in_other_words(
    rng: Generator, marked: MarkedScene, world: SceneSettings, number: int
) -> Iterator[Case]:
    """What a mark shows, and in turn one of the other kinds."""
    generator = QuestionGenerator(rng, marked, world, measured=True)
    naming, *rest = HOLDOUT_QUESTION_KINDS
    for kind in (naming, rest[number % len(rest)]):
        scene_turn = ask(generator, kind, kinds=HOLDOUT_QUESTION_KINDS)
        if scene_turn is not None:
            yield Case(scene_turn.question, scene_turn.answer, {IN_OTHER_WORDS: kind})


def _example(marked: MarkedScene, scene_turn: SceneTurn) -> Case:
    groups = {"kind": scene_turn.kind}
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


def _moved(rng: Generator, marked: MarkedScene) -> Iterator[MarkedScene]:
    """The scene with its first mark alone, on one thing and then on another."""
    mark, placements = marked.marks[0], marked.scene.placements
    for target in rng.permutation(len(placements))[:2].tolist():
        parts = outline(rng, mark.shape, placements[target].silhouette)
        yield MarkedScene(marked.scene, (replace(mark, parts=parts),), (target,))


def _named(rng: Generator, marked: MarkedScene, world: SceneSettings) -> Case:
    scene_turn = ask(QuestionGenerator(rng, marked, world, measured=True), "naming", 0)
    assert scene_turn is not None
    return Case(scene_turn.question, scene_turn.answer, {})


def _plain(text: str) -> str:
    return " ".join(text.lower().split()).rstrip(".")


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.replace(" and ", ", ").split(",")]


# --- what an image goes through before it is asked about --------------------------------------


def _as_jpeg(image: Image.Image) -> Image.Image:
    data = BytesIO()
    image.save(data, "JPEG", quality=60)
    return Image.open(data).convert("RGB")


def _scaled(factor: float) -> Callable[[Image.Image], Image.Image]:
    return lambda image: image.resize(
        (round(image.width * factor), round(image.height * factor)), Image.Resampling.LANCZOS
    )


def _on_a_wide_canvas(image: Image.Image) -> Image.Image:
    """In the middle of a canvas wider by a third, of the image's own mean colour."""
    width = round(image.width * 4 / 3)
    mean = np.asarray(image).reshape(-1, 3).mean(0).astype(int).tolist()
    canvas = Image.new("RGB", (width, image.height), tuple(mean))
    canvas.paste(image, ((width - image.width) // 2, 0))
    return canvas


IMAGE_TRANSFORMS: Mapping[str, Callable[[Image.Image], Image.Image]] = {
    "none": lambda image: image,
    "jpeg": _as_jpeg,
    "half": _scaled(0.5),
    "double": _scaled(2.0),
    "wide": _on_a_wide_canvas,
}
