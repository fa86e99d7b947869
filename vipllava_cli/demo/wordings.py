"""The words of questions about scenes, by kind: those to learn from, and those kept for measuring.

{place} is "in the red box" or "within the red rectangle", {mark} "red box", {shape} "box", {thing} "a
dog", {the} "the dog", {side} "left of". The words of the measured sentences occur in the learned ones,
the sentences do not.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Wordings:
    """Sentences that ask for the same."""

    learned: tuple[str, ...]
    measured: tuple[str, ...]


NAMING = Wordings(
    (
        "what is {place}?",
        "what is the object {place}?",
        "what's {place}?",
        "what is shown {place}?",
        "what do you see {place}?",
        "which thing is {place}?",
        "which object is shown {place}?",
        "name the object {place}.",
        "name the thing {place}.",
        "what does the {mark} show?",
        "describe the object {place}.",
        "can you tell me what is {place}?",
        "please tell me what is {place}.",
        "the object {place} is what?",
        "what thing do you see {place}?",
    ),
    (
        "which object is {place}?",
        "what thing is {place}?",
        "can you name the object {place}?",
        "please name the thing {place}.",
        "tell me what the {mark} shows.",
    ),
)
POINTED = Wordings(
    (
        "what does the {mark} point to?",
        "what does the {mark} point at?",
        "what is the {mark} pointing at?",
        "which thing is the {mark} pointing to?",
    ),
    ("what is the {mark} pointing to?", "which thing does the {mark} point at?"),
)
ALONE = Wordings(
    (
        "what is marked?",
        "what is the marked object?",
        "what is the marked thing?",
        "what is in the marked region?",
        "describe the pointed region.",
        "what is in the {shape}?",
        "what does the {shape} mark?",
        "name the marked thing.",
        "what is the object in the {shape}?",
    ),
    ("what do you see in the marked region?", "name the marked object.", "which thing is marked?"),
)
COLOR = Wordings(
    (
        "what colour is the {shape}?",
        "what color is the {shape}?",
        "which colour is the {shape} on {the}?",
        "what is the colour of the {shape}?",
        "what is the color of the mark on {the}?",
        "what colour is the mark on {the}?",
        "what color marks {the}?",
    ),
    ("which color is the {shape}?", "what is the colour of the mark on {the}?"),
)
COLOR_OF_THING = Wordings(
    tuple(sentence for sentence in COLOR.learned if "{the}" in sentence),
    tuple(sentence for sentence in COLOR.measured if "{the}" in sentence),
)
WHICH = Wordings(
    (
        "which mark is on {the}?",
        "what marks {the}?",
        "which mark shows {the}?",
        "how is {the} marked?",
        "what mark is on {the}?",
    ),
    ("what mark shows {the}?", "which mark marks {the}?"),
)
YES_NO = Wordings(
    (
        "is it {thing} {place}?",
        "is {thing} {place}?",
        "is the object {place} {thing}?",
        "is there {thing} {place}?",
        "does the {mark} show {thing}?",
        "do you see {thing} {place}?",
    ),
    ("is the thing {place} {thing}?", "does the {mark} mark {thing}?"),
)
KIND = Wordings(
    (
        "what kind of thing is {place}?",
        "what kind of object is {place}?",
        "what kind of thing is the object {place}?",
        "what category is the object {place}?",
        "what type of thing is {place}?",
        "is it an animal, food or what {place}?",
        "which kind of thing is {place}?",
    ),
    ("what kind of thing does the {mark} show?", "what type of object is {place}?"),
)
KIND_AGAIN = Wordings(
    ("what kind of thing is it?", "what kind of object is it?", "what type of thing is it?"),
    ("which kind of thing is it?",),
)
BESIDE = Wordings(
    (
        "what is {side} the object {place}?",
        "what is {side} the {mark}?",
        "what thing is {side} the thing {place}?",
        "which object is {side} the object {place}?",
        "what do you see {side} the {mark}?",
        "name the thing {side} the {mark}.",
    ),
    ("which thing is {side} the {mark}?", "what is {side} the thing {place}?"),
)
COUNT = Wordings(
    (
        "how many things are there?",
        "how many objects are there?",
        "how many things do you see?",
        "how many objects are in the picture?",
        "count the things.",
        "what is the number of things?",
    ),
    ("how many objects do you see?", "how many things are in the picture?", "count the objects."),
)
LIST = Wordings(
    (
        "describe this image.",
        "what do you see?",
        "describe the picture.",
        "which things are there?",
        "what is in the picture?",
        "name the things in this picture.",
        "what things do you see?",
    ),
    ("describe this picture.", "which objects are in the picture?", "what is in this image?"),
)
COMPARE = Wordings(
    (
        "what kinds of things are {first} and {second}?",
        "what is different between {first} and {second} in kind?",
        "how do {first} and {second} differ in kind?",
        "are {first} and {second} of the same kind?",
        "compare the kinds of {first} and {second}.",
    ),
    (
        "what is different in kind between {first} and {second}?",
        "do {first} and {second} differ in kind?",
    ),
)
WHICH_OBJECT = Wordings(
    (
        "which one is {the}?",
        "where is {the}?",
        "which object is {the}?",
        "which of these is {the}?",
    ),
    ("which thing is {the}?", "which of the objects is {the}?"),
)
CHOOSE_MARK = Wordings(
    (*WHICH_OBJECT.learned, "which mark is on {the}?"),
    WHICH_OBJECT.measured,
)

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
