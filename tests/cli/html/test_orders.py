"""The orders of the page."""

from pathlib import Path

import pytest
from selenium.webdriver.support.ui import Select

from tests.support.browser import Page
from tests.support.report_pages import page_of, row

pytestmark = pytest.mark.browser


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
