"""What questions about scenes are filled in with: places, sides, kinds, names of what is marked; and
what people put around them.
"""

from collections.abc import Mapping

# What people call a thing that is marked: one of the first with one of the second. None is a noun with
# one of PLACES: sentences with those are measured.
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

# What people put around any question.
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

# Where a mark of this shape has its thing, in people's words.
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
SIDES: Mapping[str, tuple[str, ...]] = {
    "left": ("left of", "to the left of"),
    "right": ("right of", "to the right of"),
    "above": ("above", "over"),
    "below": ("below", "under"),
}
KIND_NOUNS: Mapping[str, str] = {
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
KIND_PHRASES: Mapping[str, str] = {
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
