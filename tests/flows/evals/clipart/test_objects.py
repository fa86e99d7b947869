"""Object classes and their sprites."""

from vipllava_cli.flows.evals.clipart.objects import OBJECT_CLASSES, SPRITE_STYLES, sprites
from vipllava_cli.flows.evals.clipart.phrases import CATEGORY_NOUNS, CATEGORY_PHRASES


def test_every_object_class_has_its_own_name_and_sprites() -> None:
    drawn = [sprite for style in SPRITE_STYLES for sprite in sprites(style)]
    assert len({each.name for each in OBJECT_CLASSES}) == len(OBJECT_CLASSES) >= 150
    assert all((sprite[..., 3] > 0).mean() > 0.1 for sprite in drawn)
    assert len({sprite.tobytes() for sprite in drawn}) == 2 * len(OBJECT_CLASSES)


def test_every_category_has_phrases() -> None:
    categories = {each.category for each in OBJECT_CLASSES}
    assert categories == set(CATEGORY_NOUNS) == set(CATEGORY_PHRASES)
