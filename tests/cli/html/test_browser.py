"""The page in a real browser: rows, filter, keys, larger view, colours, screen readers."""

import re
from pathlib import Path

import pytest
from selenium.common.exceptions import NoAlertPresentException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from tests.conftest import Run
from tests.support.browser import Page
from tests.support.report_pages import BOX, HOSTILE, failed, hostile_row, page_of, results, row
from vipllava_cli.cli.html.report import write_report
from vipllava_cli.cli.terminal.escapes import safe
from vipllava_cli.cli.terminal.messages import Messages

pytestmark = pytest.mark.browser


def test_a_thousand_rows_open(page: Page, image: Path) -> None:
    rows = [failed(n) if n % 100 == 7 else row(n, marks=[BOX] * (n % 20)) for n in range(1000)]
    rows[3]["finish_reason"] = "length"
    page.open(page_of(image.parent, rows))
    assert page.driver.title == "results.jsonl: 1,000 rows"
    counts = dict(zip(page.texts("#counts dt"), page.texts("#counts dd"), strict=True))
    assert counts == {
        "Rows": "1,000", "Answered": "990", "Failed": "10", "Cut off": "1", "Model": "tiny",
    }  # fmt: skip
    assert page.texts("#kinds label") == ["All 1,000", "Answered 990", "Failed 10"]
    assert page.ids() == [f"row-{n}" for n in range(1000)]
    assert page.find(".row .thumb img").get_attribute("alt") == "grey.png"
    assert page.js("list.querySelectorAll('.thumb img').length") < 100  # images out of view wait
    assert "Failed: InputError" in page.texts(".row")[7]
    assert "Cut off" in page.texts(".row")[3]
    page.js("list.lastElementChild.scrollIntoView()")
    page.until("list.lastElementChild.querySelector('.thumb img')")


def test_a_script_in_an_answer_is_text(page: Page, tmp_path: Path) -> None:
    rows = [hostile_row(text, number) for number, text in enumerate(HOSTILE)]
    source = results(tmp_path, rows, "<img src=x onerror=alert(8)>.jsonl")
    write_report(source, tmp_path / "p.html", force=True, messages=Messages(quiet=True))
    page.open(tmp_path / "p.html")
    assert page.texts("h1") == [source.name]
    for number, text in enumerate(HOSTILE):
        shown = page.js("list.children[arguments[0]].textContent", number)
        page.js("view(list.children[arguments[0]])", number)
        shown += page.js("viewer.textContent")
        page.js("viewer.close()")
        kind = "error" if number % 2 else "answer"
        for place in ("id", "image", "question", kind, "mark", "found", "model", "column", "value"):
            assert f"{safe(text)} {place}" in shown
    made_of_text = "main script, dialog script, b, h1 *, p > p, img:not([src^='data:'])"
    assert page.js("document.querySelectorAll(arguments[0]).length", made_of_text) == 0
    handlers = "[...document.querySelectorAll('*')].flatMap((e) => e.getAttributeNames())"
    assert [name for name in page.js(handlers) if name.startswith("on")] == []
    with pytest.raises(NoAlertPresentException):
        _ = page.driver.switch_to.alert


def test_the_filter_finds_text_in_every_field(page: Page, image: Path) -> None:
    rows = [
        row(0, question="Where is the\nRed  Kite?"),
        row(1, answer="a GREEN lamp"),
        row(2, image="images/zebra.png"),
        row(3, marks=[BOX | {"label": "left wing", "color": "aqua"}]),
        row(4, extra={"label": "harbour", "split": "train"}),
        failed(5, "the moon is away"),
    ]
    page.open(page_of(image.parent, rows))
    box = page.find("#filter")
    for text, number in [
        ("the red kite", 0), ("green l", 1), ("ZEBRA", 2), ("left wing", 3), ("aqua box", 3),
        ("harbour", 4), ("moon", 5), ("inputerror", 5), ("row-4", 4),
    ]:  # fmt: skip
        box.clear()
        box.send_keys(text)
        assert page.ids() == [f"row-{number}"], text
    assert page.texts("#shown") == ["1 of 6 rows"]
    box.clear()
    box.send_keys("nothing like this")
    assert page.ids() == []
    assert page.find("#nothing").is_displayed()
    page.find("#clear").click()
    assert len(page.ids()) == 6
    assert not page.find("#nothing").is_displayed()


def test_the_toggle_and_the_filter_work_together(page: Page, image: Path) -> None:
    page.open(page_of(image.parent, [row(0), failed(1), row(2), failed(3, "a kite")]))
    choices = page.driver.find_elements(By.CSS_SELECTOR, "#kinds label")
    choices[2].click()
    assert page.ids() == ["row-1", "row-3"]
    page.find("#filter").send_keys("kite")
    assert page.ids() == ["row-3"]
    choices[1].click()
    assert page.ids() == []
    page.press(Keys.ARROW_LEFT)
    assert page.ids() == ["row-3"]


def test_rows_are_sorted(page: Page, image: Path) -> None:
    rows = [
        row(0, image="b10.png", question="c", answer="Zoo", seconds=3),
        failed(1, image="a.png", question="B"),
        row(2, image="b9.png", question="a", answer="apple", seconds=11),
        row(3, image="B1.png", question="d", answer="zebra", seconds=0.5),
    ]
    page.open(page_of(image.parent, rows))
    choice = Select(page.find("#sort"))
    for name, order in {
        "image": "1320", "question": "2103", "answer": "2301", "source order": "0123",
        "seconds, quickest first": "3021", "seconds, slowest first": "2031",
    }.items():  # fmt: skip
        choice.select_by_visible_text(name)
        assert page.ids() == [f"row-{number}" for number in order], name


def test_the_keys_reach_everything(page: Page, image: Path) -> None:
    page.open(page_of(image.parent, [row(n) for n in range(60)]))
    page.press("j")
    assert page.at() == "row-0"
    page.press("j", Keys.ARROW_DOWN, "k", Keys.ARROW_DOWN, Keys.ARROW_UP)
    assert page.at() == "row-1"
    page.press("k", "k", "k")
    assert page.at() == "row-0"
    page.press("/")
    assert page.js("document.activeElement === filter")
    page.press("t", "h", "i", "n", "g", " ", "5", "j")
    assert page.js("filter.value") == "thing 5j"
    page.press(Keys.BACKSPACE, Keys.ARROW_DOWN)
    assert page.at() == "row-5"
    page.press("j")
    assert page.at() == "row-50"
    page.press(Keys.ESCAPE)
    assert page.js("filter.value") == ""
    page.until("list.children.length === 60")  # a long list is placed a part at a time
    page.press("?")
    assert page.find("#keys").is_displayed()
    page.press("j", Keys.ESCAPE)
    assert not page.find("#keys").is_displayed()
    page.press("/", "x", Keys.ESCAPE)
    assert page.js("filter.value") == ""
    page.press(Keys.ESCAPE)
    assert page.js("document.activeElement === document.body")


def test_a_focused_row_scrolls_into_view(page: Page, image: Path) -> None:
    page.open(page_of(image.parent, [row(n) for n in range(60)]))
    page.press(*"j" * 30)
    assert page.at() == "row-29"
    top, bottom = page.js(
        "(({ top, bottom }) => [top, bottom])(document.activeElement.getBoundingClientRect())"
    )
    bar = page.js("document.querySelector('.bar').getBoundingClientRect().bottom")
    assert bar < top < bottom < 900


def test_an_image_is_shown_larger(page: Page, image: Path) -> None:
    long = "word " * 500
    page.open(page_of(image.parent, [row(0), row(1, answer=long, crop=[0, 0, 90, 90]), row(2)]))
    page.press("j", "j", Keys.ENTER)
    viewer = page.find("#viewer")
    assert viewer.is_displayed()
    large, small = page.find("#viewer img"), page.find(".row:nth-child(2) img")
    assert large.size["width"] > 2 * small.size["width"]
    assert large.get_attribute("alt") == "grey.png, marked: red box"
    assert long.strip() in viewer.text
    for fact in ("row-1", "r1", "max_new_tokens", "fp32", "160", "[0, 0, 90, 90]", "2 of 3"):
        assert fact in viewer.text
    page.press("j")
    assert "what is in box 2?" in viewer.text
    assert not page.find("#viewer [data-step='1']").is_enabled()
    page.press("j", Keys.ARROW_LEFT)
    page.find("#viewer [data-step='-1']").click()
    assert "what is in box 0?" in viewer.text
    assert page.js("document.activeElement.textContent") == "Close"  # Previous can do no more
    page.press("j", "k", Keys.ESCAPE)
    assert not viewer.is_displayed()
    # The browser gives the focus back to where it was; the dialog tells that it closed later.
    page.until("rows[document.activeElement.closest('.row')?.dataset.number]?.id === 'row-0'")
    page.find(".row:nth-child(3) .thumb").click()
    assert "what is in box 2?" in viewer.text
    page.press(Keys.ENTER)  # on Close, which has the focus
    assert not viewer.is_displayed()


def test_the_page_explains_a_missing_image(page: Page, tmp_path: Path) -> None:
    page.open(page_of(tmp_path, [row(image="<b>gone</b>.png")]))
    assert page.texts(".thumb") == ["No image: there is no file <b>gone</b>.png"]
    page.find(".thumb").click()
    assert "there is no file" in page.find("#viewer").text


def test_a_comparison_is_filtered_by_kind_and_its_text_is_no_markup(
    page: Page, run: Run, image: Path
) -> None:
    """Compare three files with hostile texts and long names, also on the width of a phone."""
    folder = image.parent
    text = HOSTILE[0]
    answers = {
        "before": ["a", "b", "c", text],
        "after": ["x", "b", "y", "z"],
        "n" * 60: list("abcd"),
    }
    extras = [{"wanted": truth} for truth in ("a", "b", "y", text)]
    files = [
        results(
            folder, [row(n, answer=texts[n], extra=extras[n]) for n in range(4)], f"{name}.jsonl"
        )
        for name, texts in answers.items()
    ]
    assert run("compare", *files, "-o", folder / "p.html", "-q").code == 0
    page.open(folder / "p.html")
    counts = dict(zip(page.texts("#counts dt"), page.texts("#counts dd"), strict=True))
    assert counts["Rows"] == "4"
    assert counts["before.jsonl"] == "accuracy 75.0%, 95% CI 25.0\u2013100.0"
    assert page.texts("#kinds label")[:3] == [
        "All 3", "after.jsonl: right to wrong 2", "after.jsonl: wrong to right 1",
    ]  # fmt: skip
    page.driver.find_elements(By.CSS_SELECTOR, "#kinds label")[2].click()
    assert page.ids() == ["row-2"]
    assert page.texts(".row .answers dt")[:3] == ["expected", "before.jsonl", "after.jsonl"]
    assert page.texts(".row .answers dd")[:3] == ["y", "✕ wrong c", "✓ right y"]
    page.driver.find_elements(By.CSS_SELECTOR, "#kinds label")[0].click()
    page.find("#filter").send_keys("z")
    assert page.ids() == ["row-3"]
    assert page.texts(".row .answers dd")[1] == f"✓ right {safe(text)}"
    page.find(".row .thumb").click()
    assert safe(text) in page.find("#viewer").text
    assert page.js("document.querySelectorAll('.answers :is(dt, dd) *:not(.flag)').length") == 0
    for width in (320, 1200):
        page.open(folder / "p.html", width=width, height=800)
        assert page.js("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [320, 390, 768])
def test_nothing_is_wider_than_a_phone(page: Page, image: Path, width: int) -> None:
    long = "x" * 400
    rows = [
        row(0, id=long, image=f"{long}.png", question=long, answer=long, model=long),
        failed(1, long, extra={long: long}, marks=[BOX | {"label": long}] * 9),
        row(2),
    ]
    path = results(image.parent, rows, f"{'n' * 200}.jsonl")
    write_report(path, image.parent / "p.html", force=True, messages=Messages(quiet=True))
    page.open(image.parent / "p.html", width=width, height=800)
    for action in ("", "view(list.children[0])", "step(1)", "viewer.close(), keys.showModal()"):
        page.js(action)
        assert page.js("document.documentElement.scrollWidth") <= width
        inner = "(e) => e.scrollWidth > e.clientWidth"
        assert (
            page.js(f"[...document.querySelectorAll('.body, .turn, .source')].filter({inner})")
            == []
        )
        assert page.js("innerWidth") == width


def test_the_page_is_dark_where_the_system_is(page: Page, image: Path) -> None:
    path = page_of(image.parent, [failed(0), row(1, finish_reason="length")])
    for scheme, is_dark in (("light", False), ("dark", True)):
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        page.open(path)
        paper = brightness(page.js("getComputedStyle(document.documentElement).backgroundColor"))
        assert (paper < 0.1) == is_dark
        for selector in (
            ".question",
            ".answer",
            ".error",
            ".cut",
            ".source",
            "#counts dt",
            "#shown",
        ):
            ink = page.js("getComputedStyle(document.querySelector(arguments[0])).color", selector)
            on = page.js(
                "getComputedStyle(document.querySelector(arguments[0]).closest('.row, html'))"
                ".backgroundColor",
                selector,
            )
            lighter, darker = sorted((brightness(ink), paper if "0)" in on else brightness(on)))[
                ::-1
            ]
            assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (scheme, selector)


def brightness(color: str) -> float:
    """Return the relative luminance (WCAG) of a colour of `getComputedStyle`, 0-1."""
    shares = [int(each) / 255 for each in re.findall(r"\d+", color)[:3]]
    linear = [
        share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares
    ]
    return sum(weight * each for weight, each in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_everything_has_a_name_for_a_screen_reader(page: Page, image: Path) -> None:
    page.open(page_of(image.parent, [row(0), failed(1), row(2, image="gone.png")]))
    page.driver.execute_cdp_cmd("Accessibility.enable", {})
    nodes = page.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    page.driver.execute_cdp_cmd("Accessibility.disable", {})
    named = {"button", "radio", "searchbox", "combobox", "image", "heading"}
    found = {(node["role"]["value"], node["name"]["value"]) for node in nodes if node.get("name")}
    assert {role for role, _ in found} > named
    assert [role for role, name in found if role in named and not name] == []
    assert ("searchbox", "Filter") in found
    assert ("button", "Larger view of grey.png, marked: red box") in found
    assert ("button", "Larger view of gone.png, no image: there is no file gone.png") in found


def test_fields_are_a_table_to_filter_and_sort(page: Page, image: Path) -> None:
    rows = [
        row(
            number,
            question="What is it made of?\nIs it damaged?\nText?",
            answer=f"material: {material}; damaged: true; text: A&B",
            fields={"material": material, "damaged": True, "text": text, "count": None},
            field_probabilities={
                "material": {"metal": share, "wood": 1 - share}, "damaged": {"yes": 0.8, "no": 0.2}
            },
        )
        for number, (material, share, text) in enumerate(
            [("metal", 0.9, "<b>"), ("wood", 0.4, "ABC"), ("metal", 0.55, "")]
        )
    ]  # fmt: skip
    page.open(page_of(image.parent, [*rows, failed(3)]))
    assert page.texts(".row:first-child .fields th") == ["material", "damaged", "text", "count"]
    assert page.texts(".row:first-child .fields td:nth-child(2)") == [
        "metal", "true", "<b>", "(none)"
    ]  # fmt: skip
    assert page.texts(".row:first-child .probability")[:2] == ["90.0 %", "80.0 %"]
    box = page.find("#filter")
    for text, ids in (
        ("material: wood", ["row-1"]),
        ("abc", ["row-1"]),
        ("metal", ["row-0", "row-2"]),
    ):
        box.clear()
        box.send_keys(text)
        assert page.ids() == ids
    box.clear()
    box.send_keys(" ")
    sort = Select(page.find("#sort"))
    sort.select_by_visible_text("material, least certain first")
    assert page.ids() == ["row-2", "row-1", "row-0", "row-3"]
    sort.select_by_visible_text("material")
    assert page.ids() == ["row-0", "row-2", "row-1", "row-3"]
    page.find(".row .thumb").click()
    viewer = page.js("viewer.textContent")
    assert "Is it damaged?" in viewer
    assert "metal 90.0 %, wood 10.0 %" in viewer


def test_regions_of_an_answer_are_drawn_and_named(page: Page, image: Path) -> None:
    found = [
        BOX | {"coords": [100, 20, 180, 80], "color": "lime", "label": f"cat {n}"}
        for n in range(15)
    ]
    rows = [
        row(0),
        row(1, answer_marks=[*found[:1], {"shape": "nothing"}]),
        row(2, answer_marks=found),
    ]
    page.open(page_of(image.parent, rows))
    plain, damaged, many = page.texts(".row")
    assert "Found:" not in plain
    assert "lime box “cat 0”" in damaged
    assert "invalid mark" in damaged
    assert many.count("lime box") == 12
    assert "and 3 others" in many
    alt = page.find(".row:last-child img").get_attribute("alt") or ""
    assert alt.startswith("grey.png, marked: red box, found: lime box “cat 0”")
    pixel = page.js(
        """(() => {
            const image = list.lastElementChild.querySelector("img");
            const canvas = document.createElement("canvas");
            canvas.width = image.naturalWidth, canvas.height = image.naturalHeight;
            const context = canvas.getContext("2d");
            context.drawImage(image, 0, 0);
            return [...context.getImageData(101, 70, 1, 1).data];
        })()"""
    )
    assert pixel[1] > 200
    assert max(pixel[0], pixel[2]) < 90  # lime
    page.js("view(list.lastElementChild)")
    assert page.texts("#viewer-body")[0].count("lime box") == 15
    page.press(Keys.ESCAPE)
    page.find("#filter").send_keys("cat 14")
    assert page.ids() == ["row-2"]
