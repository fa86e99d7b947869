"""The layout of the page: its head, and the page on paper."""

import base64
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import Run
from tests.support.browser import Page
from tests.support.comparisons import write_answers
from tests.support.report_pages import page_of, row

pytestmark = pytest.mark.browser


def test_paper_shows_the_images_of_all_rows(page: Page, tmp_path: Path) -> None:
    for number in range(40):
        Image.new("RGB", (200, 100), (number, 0, 0)).save(tmp_path / f"{number}.png")
    page.open(page_of(tmp_path, [row(n, image=f"{n}.png") for n in range(40)]))
    assert page.js("list.querySelectorAll('.thumb img').length") < 40
    printed = page.driver.execute_cdp_cmd("Page.printToPDF", {})
    assert base64.b64decode(printed["data"]).count(b"/Subtype /Image") == 40


@pytest.mark.parametrize("width", [1280, 400])
def test_long_names_of_models_leave_room_for_the_other_figures(
    page: Page, image: Path, width: int
) -> None:
    names = [f"Qwen/Qwen3-VL-30B-A3B-Instruct-{n}" for n in range(20)]
    page.open(
        page_of(image.parent, [row(n, model=name) for n, name in enumerate(names)]), width=width
    )
    heights = page.js(
        "[...document.querySelectorAll('#counts dt')].map((each) => each.offsetHeight)"
    )
    assert len(set(heights)) == 1  # each name of a figure is one line
    assert page.js("document.documentElement.scrollWidth <= innerWidth")


def test_a_comparison_without_changes_says_that_it_has_no_rows(
    run: Run, page: Page, image: Path
) -> None:
    files = [write_answers(image.parent, name, ["a cat"]) for name in ("a.jsonl", "b.jsonl")]
    run("compare", *files, "-o", image.parent / "same.html")
    page.driver.get((image.parent / "same.html").as_uri())
    assert page.find("#nothing").text == "There are no rows to show."
