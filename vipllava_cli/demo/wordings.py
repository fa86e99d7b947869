"""The words of questions about scenes, by kind: those to learn from, and those kept for measuring.

{place} is "in the red box" or "within the red rectangle", {mark} "red box", {color} "red", {shape}
"box", {thing} "a dog", {the} "the dog", {noun} "animal", {side} "left of". The words of the measured
sentences occur in the learned ones, the sentences do not.
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
        "what object is {place}?",
        "which thing do you see {place}?",
        "what can you see {place}?",
        "could you name the object {place}?",
        "please name what is {place}.",
        "identify the object {place}.",
        "what is it {place}?",
        "what is the thing {place} called?",
        "what does the {mark} mark?",
        "which object does the {mark} mark?",
        "which thing does the {mark} show?",
        "what is the {mark} showing?",
        "tell me what is {place}.",
        "tell me what you see {place}.",
        "tell me which object is shown {place}.",
        "tell me the name of the thing {place}.",
        "say what the {mark} shows.",
        "can you say what the {mark} shows?",
        "I want to know what the {mark} shows.",
        "please say what is {place}.",
        "could you tell me what the {mark} marks?",
        "do you know what is {place}?",
        "I want to know what is {place}.",
        "what has the {mark} on it?",
        "what is the {mark} on?",
        "the {mark} is on what?",
        "the {mark} marks what?",
        "which thing has the {mark} on it?",
        "what was marked with the {mark}?",
        "which object has been marked with the {mark}?",
        "what does the {mark} highlight?",
        "what is highlighted by the {mark}?",
        "look at the {mark}. what is it on?",
        "I see a {mark}. what does it mark?",
        "there is a {mark}. which thing does it show?",
        "what's that {place}?",
        "what's the thing {place}?",
        "what is that object {place}?",
        "what is this {place}?",
        "give the name of the object {place}.",
        "give me the name of the thing {place}.",
        "what would you call the object {place}?",
        "what could the thing {place} be?",
        "what might the object {place} be?",
        "guess what is {place}.",
        "the thing {place}: what is it?",
        "what can be seen {place}?",
        "what appears {place}?",
        "what is visible {place}?",
        "what is depicted {place}?",
        "what is drawn {place}?",
        "what do we have {place}?",
        "what is there {place}?",
        "which object can be found {place}?",
        "recognize the object {place}.",
        "find out what is {place}.",
    ),
    (
        "which object is {place}?",
        "what thing is {place}?",
        "can you name the object {place}?",
        "please name the thing {place}.",
        "tell me what the {mark} shows.",
    ),
)
BY_COLOR = Wordings(
    (
        "what is marked in {color}?",
        "what is outlined in {color}?",
        "what is highlighted in {color}?",
        "what thing is marked in {color}?",
        "what does the {color} mark show?",
        "what is the {color} mark on?",
        "name the object marked in {color}.",
        "what do you see at the {color} mark?",
        "what has been marked in {color}?",
        "tell me what is marked {color}.",
    ),
    ("which object is marked in {color}?", "what thing does the {color} mark show?"),
)
POINTED = Wordings(
    (
        "what does the {mark} point to?",
        "what does the {mark} point at?",
        "what is the {mark} pointing at?",
        "which thing is the {mark} pointing to?",
        "what thing does the {mark} point to?",
        "which object does the {mark} point at?",
        "tell me what the {mark} points to.",
        "can you say what the {mark} is pointing at?",
        "name the thing that the {mark} points at.",
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
        "what do you see in the {shape}?",
        "which object is marked?",
        "what is the thing that is marked?",
        "tell me what is marked.",
        "what is the marked object called?",
        "describe the marked object.",
        "what can you see in the marked region?",
        "say what the mark shows.",
        "what is this?",
        "what is pointed out here?",
        "what has been marked?",
        "which thing has the mark on it?",
        "what is the mark on?",
        "what does the mark show?",
        "what is highlighted?",
        "what's the marked thing?",
        "what is that?",
        "please name the object that is marked.",
    ),
    ("what do you see in the marked region?", "name the marked object.", "which thing is marked?"),
)
OF_KIND = Wordings(
    (
        "what {noun} is {place}?",
        "which {noun} do you see {place}?",
        "name the {noun} {place}.",
        "what kind of {noun} is {place}?",
        "tell me which {noun} you see {place}.",
        "which {noun} is shown {place}?",
        "what {noun} do you see {place}?",
        "what {noun} does the {mark} mark?",
    ),
    ("which {noun} is {place}?", "what {noun} does the {mark} show?"),
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
        "what is the color of the {shape}?",
        "tell me the colour of the {shape}.",
        "the {shape} is drawn in which color?",
        "which color does the mark on {the} have?",
        "in what colour is {the} marked?",
        "name the color of the {shape}.",
        "which color is the mark on {the}?",
        "say what colour the mark on {the} is.",
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
        "what is the mark on {the}?",
        "name the mark on {the}.",
        "which mark belongs to {the}?",
        "tell me which mark is on {the}.",
        "with which mark is {the} marked?",
        "which one of the marks is on {the}?",
        "what mark does {the} have?",
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
        "can you see {thing} {place}?",
        "is {thing} shown {place}?",
        "is that {thing} {place}?",
        "is what you see {place} {thing}?",
        "tell me if there is {thing} {place}.",
        "is the object that the {mark} shows {thing}?",
        "would you say that it is {thing} {place}?",
        "is the {mark} on {thing}?",
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
        "what kind of thing is shown {place}?",
        "tell me what kind of thing is {place}.",
        "which category is the thing {place}?",
        "of what kind is the object {place}?",
        "what type of thing does the {mark} mark?",
        "name the kind of thing {place}.",
        "which type of object does the {mark} show?",
        "what kind of object do you see {place}?",
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
        "tell me what is {side} the object {place}.",
        "what can you see {side} the thing {place}?",
        "which thing do you see {side} the {mark}?",
        "what object is {side} the {mark}?",
        "which thing is {side} the thing {place}?",
        "name the object {side} the object {place}.",
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
        "how many objects can you see?",
        "how many things can you count?",
        "please count the things in the picture.",
        "count all objects.",
        "please count every object.",
        "tell me how many things there are.",
        "count how many objects are shown.",
        "what is the number of objects in the picture?",
        "how many different things does the image show?",
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
        "what is in the image?",
        "what does this picture show?",
        "what can you see in this picture?",
        "list the things in the picture.",
        "list all objects.",
        "which things do you see in this image?",
        "name all objects in the image.",
        "tell me what is in the picture.",
        "what objects are there?",
        "please describe the image.",
        "which objects do you see?",
    ),
    ("describe this picture.", "which objects are in the picture?", "what is in this image?"),
)
COMPARE = Wordings(
    (
        "what kinds of things are {first} and {second}?",
        "what is different between {first} and {second} in kind?",
        "how do the kinds of {first} and {second} differ?",
        "are {first} and {second} of the same kind?",
        "compare the kinds of {first} and {second}.",
        "in what kind do {first} and {second} differ?",
        "tell me the kinds of {first} and {second}.",
        "is {first} of the same kind as {second}?",
        "what is the difference in kind between {first} and {second}?",
        "of which kinds are {first} and {second}?",
        "do {first} and {second} have the same kind?",
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
        "which of these objects is {the}?",
        "which one of the objects is {the}?",
        "which of the things is {the}?",
        "which marked object is {the}?",
        "which of the marked things is {the}?",
        "tell me which one is {the}.",
        "find {the}.",
        "which marked thing is {the}?",
        "where do you see {the}?",
        "what object is {the}?",
    ),
    ("which thing is {the}?", "which of the objects is {the}?"),
)
CHOOSE_MARK = Wordings(
    (*WHICH_OBJECT.learned, "which mark is on {the}?"),
    WHICH_OBJECT.measured,
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
