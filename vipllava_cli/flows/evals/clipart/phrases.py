"""Phrases that fill the question templates: places, sides, categories, names of marked objects."""

from collections.abc import Mapping

# {object} is one of NOUNS and one of MARKED, like "the item marked with the red box". No combination is
# a noun with one of PLACES, because measured templates use those.
NOUNS = ("the object", "the thing", "the item", "that thing", "this object")
MARKED = (
    "that has the {mark}",
    "that has the {mark} on it",
    "marked with the {mark}",
    "marked by the {mark}",
    "that the {mark} marks",
    "that the {mark} shows",
    "the {mark} is on",
    "the {mark} shows",
    "shown by the {mark}",
    "highlighted by the {mark}",
    "indicated by the {mark}",
    "picked out by the {mark}",
    "that the {mark} belongs to",
    "where the {mark} is",
    "that I marked with the {mark}",
    "that someone marked with the {mark}",
)

# Words before and behind a training question.
LEADS = (
    "hello, ",
    "hi! ",
    "hey, ",
    "ok, ",
    "so, ",
    "now, ",
    "and ",
    "well, ",
    "one question: ",
    "look at the picture: ",
    "in this picture, ",
    "in the image, ",
)
TAILS = (" please", ", please", " here", " now", " exactly")

# {place} by shape: where the marked object is, in everyday words.
PLACES: Mapping[str, tuple[str, ...]] = {
    "box": ("in the {mark}", "inside the {mark}", "within the {mark}"),
    "ellipse": ("in the {mark}", "inside the {mark}", "within the {mark}"),
    "arrow": ("at the {mark}", "pointed to by the {mark}", "that the {mark} points to"),
    "point": ("at the {mark}", "under the {mark}", "on the {mark}"),
    "triangle": ("in the {mark}", "with the {mark}", "inside the {mark}"),
    "scribble": ("with the {mark}", "under the {mark}", "at the {mark}"),
    "mask": ("with the {mark}", "under the {mark}", "in the {mark}"),
    "contour": ("in the {mark}", "with the {mark}", "inside the {mark}"),
}
# {side} by direction.
SIDES: Mapping[str, tuple[str, ...]] = {
    "left": ("left of", "to the left of"),
    "right": ("right of", "to the right of"),
    "above": ("above", "over"),
    "below": ("below", "under"),
}
# {noun} by category, and the category as an answer.
CATEGORY_NOUNS: Mapping[str, str] = {
    "animal": "animal",
    "food": "food",
    "vehicle": "vehicle",
    "tool": "tool",
    "clothing": "piece of clothing",
    "instrument": "instrument",
    "furniture": "piece of furniture",
    "plant": "plant",
    "toy": "toy",
}
CATEGORY_PHRASES: Mapping[str, str] = {
    "animal": "an animal",
    "food": "food",
    "vehicle": "a vehicle",
    "tool": "a tool",
    "clothing": "clothing",
    "instrument": "an instrument",
    "furniture": "furniture",
    "plant": "a plant",
    "toy": "a toy",
}
