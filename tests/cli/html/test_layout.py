"""The layout of the page: its head, and the page on paper."""

import base64
from pathlib import Path

import pytest
from PIL import Image

from tests.support.browser import Page
from tests.support.report_pages import page_of, row

pytestmark = pytest.mark.browser


def test_paper_shows_the_images_of_all_rows(page: Page, tmp_path: Path) -> None:
    for number in range(40):
        Image.new("RGB", (200, 100), (number, 0, 0)).save(tmp_path / f"{number}.png")
    page.open(page_of(tmp_path, [row(n, image=f"{n}.png") for n in range(40)]))
    assert page.js("list.querySelectorAll('.thumb img').length") < 40
    printed = page.driver.execute_cdp_cmd("Page.printToPDF", {})
    assert base64.b64decode(printed["data"]).count(b"/Subtype /Image") == 40
