"""Questions about several objects of a scene: counting, listing, comparing."""

from collections.abc import Sequence

from vipllava_cli.flows.evals.clipart import scene_templates
from vipllava_cli.flows.evals.clipart.auxiliary_targets import AuxiliaryTarget, targets_at_mark
from vipllava_cli.flows.evals.clipart.phrases import CATEGORY_PHRASES
from vipllava_cli.flows.evals.clipart.question_generator import QuestionGenerator, SceneTurn
from vipllava_cli.flows.evals.clipart.question_templates import Templates
from vipllava_cli.flows.evals.clipart.relations import reading_order


def ask_count(
    generator: QuestionGenerator, mark_number: int, templates: Templates = scene_templates.COUNT
) -> SceneTurn:
    """Ask how many objects the scene has."""
    count = str(len(generator.marked.scene.placements))
    question = generator.fill(templates)
    targets = (AuxiliaryTarget(len(question), count),)
    return SceneTurn(question, count, kind="count", auxiliary_targets=targets)


def ask_list(
    generator: QuestionGenerator, mark_number: int, templates: Templates = scene_templates.LIST
) -> SceneTurn:
    """Ask which objects the scene has. The answer lists them from left to right."""
    placements = generator.marked.scene.placements
    classes = [placements[number].object_class for number in reading_order(placements)]
    question = generator.fill(templates)
    return SceneTurn(
        question,
        join_phrases([shown.phrase for shown in classes]),
        kind="list",
        auxiliary_targets=(AuxiliaryTarget(len(question), classes[0].name),),
    )


def ask_comparison(generator: QuestionGenerator, mark_number: int) -> SceneTurn | None:
    """Ask how two marked objects differ in category. None if there is only one mark."""
    marks = generator.marked.marks
    if len(marks) < 2:
        return None
    second = (mark_number + 1 + generator.number(len(marks) - 1)) % len(marks)
    if not generator.measured and generator.chance(0.4):
        second = _mark_of_same_category(generator, mark_number, default=second)
    question = generator.fill(
        scene_templates.COMPARE,
        first=generator.object_words(marks[mark_number]),
        second=generator.object_words(marks[second]),
    )
    pair = (mark_number, second)
    classes = [generator.marked_class(number) for number in pair]
    categories = [CATEGORY_PHRASES[shown.category] for shown in classes]
    is_same = categories[0] == categories[1]
    same = f"both are {categories[0]}"
    different = f"the first is {categories[0]}, the second is {categories[1]}"
    targets = [
        target
        for number, shown in zip(pair, classes, strict=True)
        for target in targets_at_mark(question, marks[number], shown.name)
    ]
    targets.append(AuxiliaryTarget(len(question), "both" if is_same else "first"))
    return SceneTurn(
        question,
        same if is_same else different,
        kind="compare",
        mark=mark_number,
        auxiliary_targets=tuple(targets),
    )


def _mark_of_same_category(generator: QuestionGenerator, mark_number: int, *, default: int) -> int:
    """Pick another mark on an object of the same category: random pairs are rarely of one category."""
    numbers = range(len(generator.marked.marks))
    categories = [generator.marked_class(number).category for number in numbers]
    same = [
        number
        for number, category in enumerate(categories)
        if number != mark_number and category == categories[mark_number]
    ]
    return generator.pick(same) if same else default


def join_phrases(phrases: Sequence[str]) -> str:
    """Join as `a dog, a cat and a tree`."""
    *first, last = phrases
    return f"{', '.join(first)} and {last}" if first else last
