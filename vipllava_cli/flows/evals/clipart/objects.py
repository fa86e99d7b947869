"""Object classes of clip-art scenes: names, categories and sprites.

Two sprite sheets draw every class: Noto Emoji (copyright Google Inc., SIL Open Font License 1.1) and
Fluent Emoji, flat (copyright Microsoft Corporation, MIT License). The cells of a sheet have the order
of `OBJECT_CLASSES`.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray
from PIL.WebPImagePlugin import WebPImageFile

CELL = 96  # side of a sprite on the sheet, in pixels
COLUMNS = 10  # sprites per row of the sheet


@dataclass(frozen=True)
class ObjectClass:
    """An object class. `phrase` is its name in answers, like `a dog`; `category` is like `animal`."""

    name: str
    phrase: str
    category: str
    emoji: str


# The shipped model was trained on these classes in this order: patch targets refer to their indices.
OBJECT_CLASSES: tuple[ObjectClass, ...] = tuple(
    ObjectClass(*row)
    for row in (
        ("dog", "a dog", "animal", "🐶"),
        ("cat", "a cat", "animal", "🐱"),
        ("rabbit", "a rabbit", "animal", "🐰"),
        ("fox", "a fox", "animal", "🦊"),
        ("bear", "a bear", "animal", "🐻"),
        ("panda", "a panda", "animal", "🐼"),
        ("koala", "a koala", "animal", "🐨"),
        ("tiger", "a tiger", "animal", "🐯"),
        ("lion", "a lion", "animal", "🦁"),
        ("cow", "a cow", "animal", "🐮"),
        ("pig", "a pig", "animal", "🐷"),
        ("frog", "a frog", "animal", "🐸"),
        ("monkey", "a monkey", "animal", "🐵"),
        ("chicken", "a chicken", "animal", "🐔"),
        ("penguin", "a penguin", "animal", "🐧"),
        ("owl", "an owl", "animal", "🦉"),
        ("duck", "a duck", "animal", "🦆"),
        ("bee", "a bee", "animal", "🐝"),
        ("butterfly", "a butterfly", "animal", "🦋"),
        ("snail", "a snail", "animal", "🐌"),
        ("ladybug", "a ladybug", "animal", "🐞"),
        ("turtle", "a turtle", "animal", "🐢"),
        ("octopus", "an octopus", "animal", "🐙"),
        ("crab", "a crab", "animal", "🦀"),
        ("fish", "a fish", "animal", "🐟"),
        ("whale", "a whale", "animal", "🐳"),
        ("horse", "a horse", "animal", "🐴"),
        ("elephant", "an elephant", "animal", "🐘"),
        ("apple", "an apple", "food", "🍎"),
        ("banana", "a banana", "food", "🍌"),
        ("orange", "an orange", "food", "🍊"),
        ("lemon", "a lemon", "food", "🍋"),
        ("strawberry", "a strawberry", "food", "🍓"),
        ("grapes", "grapes", "food", "🍇"),
        ("watermelon", "a watermelon", "food", "🍉"),
        ("pineapple", "a pineapple", "food", "🍍"),
        ("cherry", "a cherry", "food", "🍒"),
        ("carrot", "a carrot", "food", "🥕"),
        ("corn", "corn", "food", "🌽"),
        ("broccoli", "broccoli", "food", "🥦"),
        ("bread", "bread", "food", "🍞"),
        ("cheese", "cheese", "food", "🧀"),
        ("pizza", "a pizza", "food", "🍕"),
        ("hamburger", "a hamburger", "food", "🍔"),
        ("donut", "a donut", "food", "🍩"),
        ("cookie", "a cookie", "food", "🍪"),
        ("cake", "a cake", "food", "🍰"),
        ("egg", "an egg", "food", "🍳"),
        ("car", "a car", "vehicle", "🚗"),
        ("bus", "a bus", "vehicle", "🚌"),
        ("truck", "a truck", "vehicle", "🚚"),
        ("bicycle", "a bicycle", "vehicle", "🚲"),
        ("train", "a train", "vehicle", "🚆"),
        ("airplane", "an airplane", "vehicle", "✈"),
        ("helicopter", "a helicopter", "vehicle", "🚁"),
        ("rocket", "a rocket", "vehicle", "🚀"),
        ("sailboat", "a sailboat", "vehicle", "⛵"),
        ("tractor", "a tractor", "vehicle", "🚜"),
        ("hammer", "a hammer", "tool", "🔨"),
        ("scissors", "scissors", "tool", "✂"),
        ("key", "a key", "tool", "🔑"),
        ("camera", "a camera", "tool", "📷"),
        ("bell", "a bell", "tool", "🔔"),
        ("umbrella", "an umbrella", "tool", "☔"),
        ("book", "a book", "tool", "📕"),
        ("shirt", "a shirt", "clothing", "👕"),
        ("shoe", "a shoe", "clothing", "👟"),
        ("hat", "a hat", "clothing", "🎩"),
        ("sock", "a sock", "clothing", "🧦"),
        ("guitar", "a guitar", "instrument", "🎸"),
        ("drum", "a drum", "instrument", "🥁"),
        ("trumpet", "a trumpet", "instrument", "🎺"),
        ("chair", "a chair", "furniture", "🪑"),
        ("bed", "a bed", "furniture", "🛏"),
        ("tree", "a tree", "plant", "🌳"),
        ("cactus", "a cactus", "plant", "🌵"),
        ("sunflower", "a sunflower", "plant", "🌻"),
        ("rose", "a rose", "plant", "🌹"),
        ("mushroom", "a mushroom", "plant", "🍄"),
        ("balloon", "a balloon", "toy", "🎈"),
        ("zebra", "a zebra", "animal", "🦓"),
        ("giraffe", "a giraffe", "animal", "🦒"),
        ("camel", "a camel", "animal", "🐫"),
        ("kangaroo", "a kangaroo", "animal", "🦘"),
        ("hippo", "a hippo", "animal", "🦛"),
        ("bat", "a bat", "animal", "🦇"),
        ("parrot", "a parrot", "animal", "🦜"),
        ("flamingo", "a flamingo", "animal", "🦩"),
        ("peacock", "a peacock", "animal", "🦚"),
        ("swan", "a swan", "animal", "🦢"),
        ("snake", "a snake", "animal", "🐍"),
        ("crocodile", "a crocodile", "animal", "🐊"),
        ("dolphin", "a dolphin", "animal", "🐬"),
        ("spider", "a spider", "animal", "🕷"),
        ("sheep", "a sheep", "animal", "🐑"),
        ("dinosaur", "a dinosaur", "animal", "🦕"),
        ("mouse", "a mouse", "animal", "🐭"),
        ("pear", "a pear", "food", "🍐"),
        ("peach", "a peach", "food", "🍑"),
        ("kiwi", "a kiwi", "food", "🥝"),
        ("coconut", "a coconut", "food", "🥥"),
        ("avocado", "an avocado", "food", "🥑"),
        ("eggplant", "an eggplant", "food", "🍆"),
        ("tomato", "a tomato", "food", "🍅"),
        ("pepper", "a pepper", "food", "🌶"),
        ("onion", "an onion", "food", "🧅"),
        ("pretzel", "a pretzel", "food", "🥨"),
        ("croissant", "a croissant", "food", "🥐"),
        ("pancakes", "pancakes", "food", "🥞"),
        ("taco", "a taco", "food", "🌮"),
        ("fries", "fries", "food", "🍟"),
        ("popcorn", "popcorn", "food", "🍿"),
        ("lollipop", "a lollipop", "food", "🍭"),
        ("coffee", "coffee", "food", "☕"),
        ("milk", "milk", "food", "🥛"),
        ("ambulance", "an ambulance", "vehicle", "🚑"),
        ("motorcycle", "a motorcycle", "vehicle", "🏍"),
        ("scooter", "a scooter", "vehicle", "🛵"),
        ("ship", "a ship", "vehicle", "🚢"),
        ("canoe", "a canoe", "vehicle", "🛶"),
        ("saw", "a saw", "tool", "🪚"),
        ("axe", "an axe", "tool", "🪓"),
        ("wrench", "a wrench", "tool", "🔧"),
        ("screwdriver", "a screwdriver", "tool", "🪛"),
        ("ladder", "a ladder", "tool", "🪜"),
        ("magnet", "a magnet", "tool", "🧲"),
        ("flashlight", "a flashlight", "tool", "🔦"),
        ("lock", "a lock", "tool", "🔒"),
        ("clock", "a clock", "tool", "⏰"),
        ("phone", "a phone", "tool", "📱"),
        ("laptop", "a laptop", "tool", "💻"),
        ("pencil", "a pencil", "tool", "✏"),
        ("broom", "a broom", "tool", "🧹"),
        ("candle", "a candle", "tool", "🕯"),
        ("dress", "a dress", "clothing", "👗"),
        ("coat", "a coat", "clothing", "🧥"),
        ("jeans", "jeans", "clothing", "👖"),
        ("gloves", "gloves", "clothing", "🧤"),
        ("scarf", "a scarf", "clothing", "🧣"),
        ("boot", "a boot", "clothing", "👢"),
        ("cap", "a cap", "clothing", "🧢"),
        ("crown", "a crown", "clothing", "👑"),
        ("glasses", "glasses", "clothing", "👓"),
        ("backpack", "a backpack", "clothing", "🎒"),
        ("piano", "a piano", "instrument", "🎹"),
        ("violin", "a violin", "instrument", "🎻"),
        ("saxophone", "a saxophone", "instrument", "🎷"),
        ("accordion", "an accordion", "instrument", "🪗"),
        ("couch", "a couch", "furniture", "🛋"),
        ("mirror", "a mirror", "furniture", "🪞"),
        ("tulip", "a tulip", "plant", "🌷"),
        ("palm", "a palm", "plant", "🌴"),
        ("clover", "a clover", "plant", "🍀"),
        ("kite", "a kite", "toy", "🪁"),
        ("doll", "a doll", "toy", "🪆"),
        ("dice", "dice", "toy", "🎲"),
        ("ball", "a ball", "toy", "⚽"),
        ("robot", "a robot", "toy", "🤖"),
    )
)

SPRITE_STYLES = ("noto", "fluent")


@cache
def sprites(style: str) -> tuple[NDArray[np.uint8], ...]:
    """Load a sprite sheet. Returns one RGBA array, uint8 [CELL, CELL, 4], per object class."""
    with files(__package__).joinpath(f"sprites-{style}.webp").open("rb") as file:
        sheet = np.array(WebPImageFile(file).convert("RGBA"))  # `Image.open` imports all formats
    return tuple(_cell(sheet, *divmod(index, COLUMNS)) for index in range(len(OBJECT_CLASSES)))


def _cell(sheet: NDArray[np.uint8], row: int, column: int) -> NDArray[np.uint8]:
    return sheet[row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL]
