"""The filter and the orders of the page, with numbers and with accents."""

import unicodedata
from pathlib import Path
from typing import Literal

import pytest
from selenium.webdriver.support.ui import Select

from tests.support.browser import Page
from tests.support.report_pages import page_of, row

pytestmark = pytest.mark.browser

Form = Literal["NFC", "NFD"]
FORMS: tuple[Form, ...] = ("NFC", "NFD")


def test_number_fields_are_sorted_as_numbers(page: Page, image: Path) -> None:
    prices = (2.5, -1, 10, 2.15, None, -20.5)
    sizes = ("size 10", "2.5", "size 9", "", "-1", "size 9")
    rows = [
        row(n, fields={"price": price, "size": size})
        for n, (price, size) in enumerate(zip(prices, sizes, strict=True))
    ]
    page.open(page_of(image.parent, rows))
    order = Select(page.find("#sort"))
    order.select_by_visible_text("price")
    assert page.ids() == [f"row-{n}" for n in (4, 5, 1, 3, 0, 2)]
    order.select_by_visible_text("size")
    assert [each for each in page.ids() if sizes[int(each[-1])].startswith("size")] == [
        "row-2", "row-5", "row-0",
    ]  # fmt: skip


@pytest.mark.parametrize("typed", FORMS)
@pytest.mark.parametrize("name", ["café", "東京ビル", "고양이"])
def test_the_filter_finds_names_with_accents_in_either_form(
    page: Page, image: Path, name: str, typed: Form
) -> None:
    """On macOS, a letter and its accent are two characters in the name of a file."""
    rows = [row(n, image=unicodedata.normalize(form, name)) for n, form in enumerate(FORMS)]
    page.open(page_of(image.parent, [*rows, row(2)]))
    page.find("#filter").send_keys(unicodedata.normalize(typed, name))
    assert page.ids() == ["row-0", "row-1"]
