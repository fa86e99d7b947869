"""The text of a place in the notation of a model family, for questions."""

from collections.abc import Callable, Mapping, Sequence

from vipllava_cli.engine.prompts.region_conventions import Notation, RegionConvention

_TAGS = ("<box>", "</box>")

Numbers = Sequence[str]
_Writer = Callable[[Numbers], str]


def write_place(numbers: Sequence[float], convention: RegionConvention) -> str:
    """Write a box of four numbers or a point of two, in the units and the order of the convention."""
    write_box, write_point = _WRITERS[convention.notation]
    texts = [f"{number:g}" for number in numbers]
    if len(texts) == 2:
        return write_point(texts)
    start, end = convention.tags or _TAGS
    return write_box(texts).replace(_TAGS[0], start).replace(_TAGS[1], end)


def _joined(form: str, separator: str = ", ") -> _Writer:
    """Return a writer that puts the joined numbers into a form."""
    return lambda numbers: form.replace("…", separator.join(numbers))


def _corners(form: str) -> _Writer:
    """Return a writer of `(x1,y1),(x2,y2)`, which also fits a point."""
    return lambda numbers: form.replace(
        "…",
        ",".join(f"({x},{y})" for x, y in zip(numbers[::2], numbers[1::2], strict=True)),
    )


def _loc_tokens(numbers: Numbers) -> str:
    return "".join(f"<loc{int(number):04d}>" for number in numbers)


def _point_tag(numbers: Numbers) -> str:
    """Write a point; of a box, its centre: the family has no boxes."""
    xs, ys = numbers[::2], numbers[1::2]
    x, y = (sum(map(float, each)) / len(each) for each in (xs, ys))
    return f'<point x="{x:.1f}" y="{y:.1f}">'


# Notation -> how it writes a box, and a point. A family that documents no points gets the bare pair.
_WRITERS: Mapping[Notation, tuple[_Writer, _Writer]] = {
    Notation.BBOX_2D: (_joined('{"bbox_2d": […]}'), _joined('{"point_2d": […]}')),
    Notation.BOX_2D: (_joined('{"box_2d": […]}'), _joined('{"point": […]}')),
    Notation.BOX_PARENTHESES: (_corners("<box>…</box>"), _corners("…")),
    Notation.BOX_LIST: (_joined("<box>[[…]]</box>"), _joined("[…]")),
    Notation.BOX_SPACES: (_joined("<box>…</box>", " "), _joined("<point>…</point>", " ")),
    Notation.BEGIN_OF_BOX: (_joined("[[…]]", ","), _joined("[…]", ",")),  # the tags mark an answer
    Notation.LOC_TOKENS: (_loc_tokens, _loc_tokens),
    Notation.BRACKETS: (_joined("[…]"), _joined("[…]")),
    Notation.POINT_TAG: (_point_tag, _point_tag),
}
