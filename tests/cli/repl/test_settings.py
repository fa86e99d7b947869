"""The settings of `/set`."""

from typing import get_type_hints

import pytest

from tests.support.chat_session import FakeSession
from vipllava_cli.cli.options import AnswerOptions
from vipllava_cli.cli.repl.settings import SETTINGS, describe_settings, set_value
from vipllava_cli.errors import UsageError

GOOD = {
    "max-new-tokens": "3",
    "temperature": "0.5",
    "top-p": "0.9",
    "seed": "7",
    "template": "vicuna",
    "zoom": "on",
    "numbers": "on",
    "window": "-5,900",
    "mark-style": "numbered",
    "units": "percent",
    "width": "9",
    "alpha": "0.25",
}
BAD = {
    "max-new-tokens": ("0", "1.5", "", "many"),
    "temperature": ("-1", "100.5", "nan", "inf"),
    "top-p": ("0", "1.1", "nan"),
    "seed": ("-1", str(2**32), "x"),
    "template": ("none",),
    "zoom": ("yes",),
    "numbers": ("1",),
    "window": ("5", "9,1", "a,b", "nan,3"),
    "mark-style": ("", "Numbered", "boxes"),
    "units": ("miles",),
    "width": ("0", "101", "nan", "wide"),
    "alpha": ("0", "1.1", "-1"),
}


def test_every_setting_takes_a_good_value_and_shows_it(fake: FakeSession) -> None:
    assert set(GOOD) == set(BAD) == set(SETTINGS)
    for name, text in GOOD.items():
        set_value(fake.chat, name, text)
    shown = dict(describe_settings(fake.chat))
    assert shown == GOOD | {"width": "9.0"}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_value_is_refused_and_changes_nothing(fake: FakeSession, name: str) -> None:
    before = describe_settings(fake.chat)
    for text in BAD[name]:
        with pytest.raises(UsageError, match=f"{name}: expected .*, found"):
            set_value(fake.chat, name, text)
    assert describe_settings(fake.chat) == before


def test_an_unknown_setting_lists_the_known_ones(fake: FakeSession) -> None:
    with pytest.raises(UsageError, match="unknown setting 'colour': expected max-new-tokens, "):
        set_value(fake.chat, "colour", "1")


@pytest.mark.parametrize("name", ["max-new-tokens", "temperature", "top-p", "seed"])
def test_a_setting_has_the_bounds_of_its_flag(fake: FakeSession, name: str) -> None:
    hints = get_type_hints(AnswerOptions, include_extras=True)
    flag = hints[name.replace("-", "_")].__metadata__[0]
    for bound, step in ((flag.min, -1), (flag.max, 1)):
        if bound is not None:
            set_value(fake.chat, name, str(bound))
            with pytest.raises(UsageError):
                set_value(fake.chat, name, str(bound + step))
