"""The singular of an English noun, by rules for regular plurals and tables for the others.

Libraries for plurals expect a plural: `inflect` turns `bus` into `bu`, `inflection` turns `gloves` into
`glofe`. Here a word that may be a singular stays as it is.
"""

from collections.abc import Mapping


def _pairs(text: str) -> dict[str, str]:
    words = text.split()
    return dict(zip(words[::2], words[1::2], strict=True))


# Plural -> singular.
_IRREGULAR: Mapping[str, str] = _pairs(
    "men man policemen policeman firemen fireman snowmen snowman fishermen fisherman people person"
    " mice mouse oxen ox elves elf lives life cacti cactus octopi octopus fungi fungus"
    " ties tie pies pie lies lie dies die cookies cookie brownies brownie movies movie zombies zombie"
    " selfies selfie hoodies hoodie smoothies smoothie veggies veggie calories calorie"
    " magpies magpie collies collie budgies budgie birdies birdie prairies prairie beanies beanie"
    " neckties necktie bowties bowtie rotisseries rotisserie sharpies sharpie"
    " toes toe canoes canoe hoes hoe oboes oboe axes axe quizzes quiz tvs tv cds cd mousses mousse"
    " mustaches mustache moustaches moustache quiches quiche avalanches avalanche headaches headache"
    " menus menu emus emu gnus gnu tutus tutu fuses fuse uses use"
    " oases oasis crises crisis analyses analysis"
)

# The same for the ends of compounds: `bookshelves`, `horseshoes`.
_IRREGULAR_ENDS: Mapping[str, str] = _pairs(
    "women woman children child feet foot teeth tooth geese goose knives knife wives wife"
    " wolves wolf leaves leaf loaves loaf shelves shelf halves half calves calf scarves scarf"
    " thieves thief hooves hoof shoes shoe"
)

# No plurals, or plurals whose singular means something else. Words in `ss` and `us` need no entry.
_SINGULAR_WORDS = (
    "lens gas canvas atlas bias christmas pancreas rhinoceros thermos chaos cosmos"
    " tennis iris ibis axis oasis basis crisis analysis pelvis mantis chassis debris trellis this"
    " news series species scissors glasses sunglasses eyeglasses pants shorts tights clothes goods"
    " always perhaps does"
)
_SINGULAR = frozenset(_SINGULAR_WORDS.split())

_SHORTEST = 4  # letters: `bus` and `gas` are no plurals


def singular(word: str) -> str:
    """Return the singular of a lower-case word, the word itself if it is no known form of a plural."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    for end, one in _IRREGULAR_ENDS.items():
        if word.endswith(end):
            return word.removesuffix(end) + one
    is_short = len(word) < _SHORTEST
    if is_short or not word.endswith("s") or not word.isalpha() or _is_singular(word):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "xes", "zzes", "oes")) or _is_es_plural(word):
        return word[:-2]
    return word[:-1]


def _is_singular(word: str) -> bool:
    return word in _SINGULAR or word.endswith(("ss", "us"))


def _is_es_plural(word: str) -> bool:
    """Return whether `es` follows a singular, as in `buses`. `house` ends in `e` itself."""
    stem = word.removesuffix("es")
    return word.endswith("es") and _is_singular(stem) and not stem.endswith(("ous", "aus"))
