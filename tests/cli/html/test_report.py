"""The page of results: what is read and written, and the page itself in a real browser."""

import base64
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.console import Console
from selenium import webdriver
from selenium.common.exceptions import NoAlertPresentException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

from tests.conftest import Run
from vipllava_cli.cli.html.page import FEW_IMAGES, LARGE_SIDE, SIDE
from vipllava_cli.cli.html.report import write_report
from vipllava_cli.cli.terminal.messages import Messages, safe
from vipllava_cli.errors import ExitCode
from vipllava_cli.storage.files import atomic_file

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")

BOX = {"shape": "box", "coords": [20, 10, 90, 80], "color": "red", "width": 3, "alpha": 1.0}
Row = dict[str, Any]


def row(number: int = 0, **changes: Any) -> Row:
    """A record as `ask --json` and `batch` write it, about the image of the fixture `image`."""
    return {
        "schema": 1, "id": f"row-{number}", "key": f"{number:016x}", "image": "grey.png",
        "width": 200, "height": 100, "marks": [BOX], "numbers": False, "crop": None,
        "question": f"what is in box {number}?", "answer": f"thing {number}",
        "finish_reason": "stop", "prompt_tokens": 160, "answer_tokens": 5, "model": "tiny",
        "revision": "r1", "template": "human", "options": {"max_new_tokens": 256}, "dtype": "fp32",
        "device": "cpu", "seconds": 0.25, "extra": {}, "error": None, **changes,
    }  # fmt: skip


def failed(number: int = 0, message: str = "there is no file x.png", **changes: Any) -> Row:
    return row(
        number, width=None, height=None, answer=None, finish_reason=None, seconds=0.0,
        error={"type": "InputError", "message": message}, **changes,
    )  # fmt: skip


def results(folder: Path, rows: Sequence[Row], name: str = "results.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(each) + "\n" for each in rows), encoding="utf-8")
    return path


def page_of(folder: Path, rows: Sequence[Row]) -> Path:
    out = folder / "page.html"
    write_report(results(folder, rows), out, force=True, messages=Messages(quiet=True))
    return out


def blocks(page: Path) -> dict[str, Any]:
    """The page's blocks of data, by their names."""
    found = re.findall(
        r'<script type="application/json" id="(.*?)">(.*?)</script>\n', page.read_text("utf-8")
    )
    return {name: json.loads(text) for name, text in found}


def images(page: Path) -> list[dict[str, Any]]:
    return [block for name, block in blocks(page).items() if name.startswith("thumbnail-")]


# --- the file ----------------------------------------------------------------------------------


def test_the_page_takes_its_name_from_the_results(run: Run, image: Path) -> None:
    source = results(image.parent, [row(0), failed(1)])
    ended = run("report", source)
    assert (ended.code, ended.stdout) == (0, "")
    assert "report" not in ended.stderr
    assert f"wrote {source.with_suffix('.html')}, 2 rows" in ended.stderr
    assert source.with_suffix(".html").read_text("utf-8").startswith("<!DOCTYPE html>")
    assert run("report", source, "--force", "-q").stderr == ""


def test_a_file_is_written_over_only_when_asked(run: Run, image: Path) -> None:
    source = results(image.parent, [row()])
    out = image.parent / "page.html"
    out.write_text("mine")
    refused = run("report", source, "-o", out)
    assert refused.code == ExitCode.INPUT
    assert "--force" in refused.stderr
    assert out.read_text() == "mine"
    assert run("report", source, "-o", out, "--force").code == 0
    assert "<!DOCTYPE html>" in out.read_text("utf-8")


def test_the_page_never_replaces_its_own_results(run: Run, image: Path) -> None:
    source = results(image.parent, [row()], "results.html")
    before = source.read_bytes()
    assert run("report", source, "--force").code == ExitCode.USAGE
    assert source.read_bytes() == before


def test_records_come_from_standard_input(
    run: Run, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(image.parent)
    lines = results(image.parent, [row()]).read_bytes()
    assert run("report", "-", stdin=lines).code == ExitCode.USAGE
    assert run("report", "-", "-o", "-", stdin=lines).code == ExitCode.USAGE
    assert run("report", "-", "-o", "page.html", stdin=lines).code == 0
    assert blocks(Path("page.html"))["data"]["title"] == "standard input"
    assert images(Path("page.html"))[0]["src"]


def test_the_same_results_give_the_same_bytes(image: Path) -> None:
    rows = [row(n, marks=[BOX | {"color": color}]) for n, color in enumerate(["red", "blue"] * 40)]
    first = page_of(image.parent, rows).read_bytes()
    assert page_of(image.parent, rows).read_bytes() == first


def test_nothing_is_left_when_the_page_cannot_be_written(tmp_path: Path) -> None:
    def interrupted() -> None:
        with atomic_file(str(tmp_path / "page.html")) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_lines_that_are_no_records_are_counted_and_left_out(run: Run, image: Path) -> None:
    lines = [
        json.dumps(row(0)),
        "",
        "no JSON",
        json.dumps({"schema": 99, "image": "x"}),
        json.dumps(row(1, answer=None)),
        json.dumps(row(2, marks=None)),
        "[" * 5000,
        json.dumps(row(3))[:-30],
    ]
    source = image.parent / "results.jsonl"
    source.write_text("\n".join(lines))
    ended = run("report", source)
    assert ended.code == 0
    notes = [line for line in ended.stderr.splitlines() if "were skipped" in line]
    assert notes == ["note: results.jsonl: 6 lines are not records and were skipped; the first is line 3"]
    data = blocks(source.with_suffix(".html"))["data"]
    assert len(data["rows"]) == 1
    assert "6 lines are not records" in data["leftOut"]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "nothing"),
        (b"\n\n", "nothing"),
        (b"\x89PNG\r\n\x1a\n\0\0", "bytes that are not text"),
        ('{"schema": 1}\n'.encode("utf-16"), "bytes that are not text"),
        (b"image,question\na.png,what?\n", "image,question"),
        (b"[1]\n" * 5000, "[1]"),
    ],
)
def test_a_file_without_records_is_refused(
    run: Run, tmp_path: Path, content: bytes, found: str
) -> None:
    source = tmp_path / "results.jsonl"
    source.write_bytes(content)
    ended = run("report", source)
    assert ended.code == ExitCode.INPUT
    (line,) = ended.stderr.splitlines()
    assert "expected one JSON object" in line
    assert found in line.partition("found")[2]
    assert list(tmp_path.iterdir()) == [source]


def test_a_file_that_cannot_be_read_is_refused(run: Run, tmp_path: Path) -> None:
    missing = run("report", tmp_path / "none.jsonl")
    assert (missing.code, len(missing.stderr.splitlines())) == (ExitCode.INPUT, 1)
    assert "there is no file" in missing.stderr
    folder = run("report", tmp_path, "-o", tmp_path / "page.html")
    assert "is a folder" in folder.stderr
    nowhere = run("report", results(tmp_path, [row()]), "-o", tmp_path / "none" / "page.html")
    assert "there is no folder" in nowhere.stderr


def test_the_command_costs_help_nothing() -> None:
    program = (
        "import sys\n"
        "import vipllava_cli.cli.commands.report\n"
        "heavy = {'PIL', 'cv2', 'numpy', 'torch', 'vipllava_cli.cli.html.report'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert ended.returncode == 0, ended.stderr


# --- images ----------------------------------------------------------------------------------


def test_each_image_with_its_marks_is_embedded_once(image: Path) -> None:
    blue = [BOX | {"color": "blue"}]
    looks: list[Row] = [
        {},
        {"marks": blue},
        {"marks": []},
        {"numbers": True},
        {"crop": [0, 0, 100, 90]},
    ]
    page = page_of(image.parent, [row(n, **looks[n % 5]) for n in range(40)])
    shown = images(page)
    assert len({each["src"] for each in shown}) == len(shown) == 5
    assert [(each["width"], each["height"]) for each in shown] == [(200, 100)] * 4 + [(100, 90)]
    numbers = [each["thumbnail"] for each in blocks(page)["data"]["rows"]]
    assert numbers == [0, 1, 2, 3, 4] * 8


def decoded(shown: dict[str, Any]) -> Image.Image:
    head, _, data = shown["src"].partition(",")
    assert head == "data:image/webp;base64"
    return Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")


def test_thumbnails_show_the_marks_and_are_small(tmp_path: Path) -> None:
    Image.new("RGB", (1000, 500), (128, 128, 128)).save(tmp_path / "wide.png")
    wide: Row = {"image": "wide.png", "width": 1000, "height": 500}
    box = {"shape": "box", "coords": [100, 50, 750, 450], "color": "red"}
    (shown,) = images(page_of(tmp_path, [row(**wide, marks=[box])]))
    assert (shown["width"], shown["height"]) == (LARGE_SIDE, LARGE_SIDE // 2)
    red, green, _ = decoded(shown).getpixel((48, 120))  # type: ignore[misc]
    assert red > green + 100
    others = [row(n, **wide, marks=[box | {"alpha": 1 - n / 200}]) for n in range(FEW_IMAGES + 1)]
    sizes = {decoded(each).size for each in images(page_of(tmp_path, others))}
    assert sizes == {(SIDE, SIDE // 2)}


def test_images_are_found_as_written_and_then_beside_the_results(
    image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = image.parent / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    page = page_of(image.parent, [row(0), row(1, image=str(image))])
    assert all(shown["src"] for shown in images(page))
    Image.new("RGB", (200, 100), (0, 0, 200)).save(here / "grey.png")
    written_first = images(page_of(image.parent, [row(0, marks=[])]))[0]
    assert decoded(written_first).getpixel((5, 5))[2] > 150  # type: ignore[index]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"image": ""}, "names no image"),
        ({"image": "-"}, "standard input"),
        ({"image": "https://example.org/cat.png"}, "web address"),
        ({"image": "gone.png"}, "there is no file gone.png"),
        ({"image": "."}, "there is no file ."),
        ({"image": "pipe.png"}, "there is no file pipe.png"),
        ({"image": "nul\0.png"}, "there is no file"),
        ({"image": "\ud800.png"}, "there is no file"),
        ({"image": "words.png"}, "is not an image"),
        ({"image": "cut.png"}, "cut short or damaged"),
        ({"width": 640, "height": 480}, "it has changed: it was 640x480 pixels and is 200x100"),
        ({"crop": [0, 0, 999_999_999, 999_999_999]}, "crop"),
        ({"crop": ["a"]}, "crop"),
        ({"marks": [BOX | {"coords": [300, 300, 400, 400]}]}, "outside the image"),
        ({"marks": [BOX | {"shape": "star"}]}, "shape is one of"),
        ({"marks": [{"shape": "mask", "file": "/dev/zero"}]}, "a file of its own"),
        ({"marks": ["box"]}, "a mark is an object"),
    ],
)
def test_an_image_that_cannot_be_shown_says_why(
    image: Path, changes: Row, why: str, run: Run
) -> None:
    folder = image.parent
    os.mkfifo(folder / "pipe.png")
    (folder / "words.png").write_text("words")
    (folder / "cut.png").write_bytes(image.read_bytes()[:60])
    source = results(folder, [row(0), row(1, **changes), row(2, **changes)])
    ended = run("report", source)
    assert ended.code == 0
    assert "1 image cannot be shown" in ended.stderr
    first, second = images(source.with_suffix(".html"))
    assert (bool(first["src"]), second["src"]) == (True, "")
    assert why in second["why"]
    assert "\n" not in second["why"]


def test_a_failed_row_shows_the_image_that_there_is(image: Path) -> None:
    page = page_of(image.parent, [failed(marks=[{"shape": "point", "coords": [10, 10]}])])
    assert images(page)[0]["src"]
    assert blocks(page)["data"]["rows"][0]["marks"] == [
        {"words": "point", "color": "", "label": ""}
    ]


def test_a_bar_shows_on_a_terminal_only(image: Path) -> None:
    source = results(image.parent, [row()])
    for is_terminal in (True, False):
        said = io.StringIO()
        console = Console(file=said, force_terminal=is_terminal, width=100)
        out = image.parent / f"{is_terminal}.html"
        assert write_report(source, out, force=False, messages=Messages(console=console)) == 1
        assert ("drawing the images" in said.getvalue()) == is_terminal


# --- rows --------------------------------------------------------------------------------------


def shown_of(folder: Path, *rows: Row) -> list[Row]:
    """The rows as the page's script gets them."""
    shown: list[Row] = blocks(page_of(folder, rows))["data"]["rows"]
    return shown


def test_marks_are_named_in_words(tmp_path: Path) -> None:
    marks = [
        {"shape": "arrow", "coords": [1, 2], "color": "blue", "label": "left \x1b ear"},
        {"shape": "mask", "coords": [1, 2, 3, 4, 5, 6], "color": "#fe0102"},
        {"shape": "nothing"},
    ]
    (shown,) = shown_of(tmp_path, row(marks=marks))
    assert [(mark["words"], mark["color"], mark["label"]) for mark in shown["marks"]] == [
        ("blue arrow", "#0000ff", "left \\x1b ear"),
        ("red mask", "#fe0102", ""),
        ("a mark that cannot be read", "", ""),
    ]


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("images/cat.png", "cat.png"),
        ("C:\\images\\cat.png", "cat.png"),
        ("https://example.org/a/", "a"),
        ("/", "/"),
    ],
)
def test_an_image_is_named_by_its_file(tmp_path: Path, image: str, name: str) -> None:
    (shown,) = shown_of(tmp_path, row(image=image))
    assert (shown["image"], shown["name"]) == (image, name)


@pytest.mark.parametrize("seconds", ["NaN", "1e999", "-1", "true", '"1"', "null", "9" * 400])
def test_odd_numbers_do_no_harm(tmp_path: Path, seconds: str) -> None:
    line = json.dumps(row(seconds=0)).replace('"seconds": 0', f'"seconds": {seconds}')
    (tmp_path / "results.jsonl").write_text(line)
    out = tmp_path / "page.html"
    write_report(tmp_path / "results.jsonl", out, force=True, messages=Messages(quiet=True))
    (shown,) = blocks(out)["data"]["rows"]
    assert shown["seconds"] is None


def test_columns_of_the_source_come_as_text(tmp_path: Path) -> None:
    extra = {"label": "cat", "boxes": [1, {"é": None}], "empty": None, "no\x07": 0.5}
    (shown,) = shown_of(tmp_path, row(id=7, extra=extra))
    assert shown["id"] == "7"
    assert shown["extra"] == [
        ["label", "cat"], ["boxes", '[1, {"é": null}]'], ["empty", ""], ["no\\x07", "0.5"],
    ]  # fmt: skip


def test_the_page_allows_its_own_script_and_style_only(tmp_path: Path) -> None:
    text = page_of(tmp_path, [row()]).read_text("utf-8")
    policy = re.search(r'Security-Policy" content="(.*?)"', text)
    assert policy
    assert policy[1].startswith("default-src 'none'; img-src data:; ")
    assert "unsafe" not in policy[1]
    for tag in ("style", "script"):
        (source,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy[1]
    assert re.findall(r"""(?:src|href|action)=(?!"data:,")""", text) == []
    assert re.findall(r"https?:|url\(|@import|import\(|fetch\(", text) == []


# --- what could do harm ------------------------------------------------------------------------

HOSTILE = (
    "<script>alert(1)</script>",
    "</script><script>alert(2)</script>",
    "<!-- <script> --!> ]]>",
    "<img src=x onerror=alert(3)>",
    "\" onmouseover=alert(4) ' onfocus=alert(5)",
    "javascript:alert(6)",
    "&lt;b&gt; &amp; &#60;",
    "${alert(7)} $script $images {{ 7 * 7 }}",
    "\x1b[31mred\x07 \x00 \x9b",
    "abc\u202etxt.exe \u2066x",
    "\u2028 \u2029",
    "\ud800 alone",
    "__proto__",
)


def hostile_row(text: str, number: int) -> Row:
    make = failed if number % 2 else row
    return make(
        number, id=f"{text} id", image=f"{text} image", question=f"{text} question",
        marks=[BOX | {"label": f"{text} mark"}], model=f"{text} model",
        extra={f"{text} column": f"{text} value"},
        **({"message": f"{text} error"} if make is failed else {"answer": f"{text} answer"}),
    )  # fmt: skip


def test_no_text_of_a_record_is_markup(tmp_path: Path) -> None:
    text = page_of(tmp_path, [hostile_row(t, n) for n, t in enumerate(HOSTILE)]).read_bytes()
    assert text.count(b"<script") == 2 + len(HOSTILE)  # the data, the script, a block an image
    assert b"alert(" not in re.sub(rb'<script type="application/json".*', b"", text)
    data = b"".join(re.findall(rb'<script type="application/json" id="[^"]*">(.*)</script>', text))
    assert not re.search(rb"[<>&\x00-\x1f\x7f-\xff]", data)


# --- in a browser ------------------------------------------------------------------------------


@dataclass
class Page:
    """An open page, and what a person does with it."""

    driver: webdriver.Chrome

    def open(self, page: Path, *, width: int = 1200, height: int = 900) -> None:
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        self.driver.get(page.as_uri())
        self.until("document.readyState === 'complete'")
        self.until("list.children.length === rows.length")
        self.until("document.querySelector('.thumb').children.length === 1")

    def js(self, expression: str, *arguments: Any) -> Any:
        return self.driver.execute_script(f"return {expression}", *arguments)

    def until(self, expression: str) -> None:
        WebDriverWait(self.driver, 20).until(lambda _: self.js(expression))

    def find(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.driver.switch_to.active_element.send_keys(key)

    def ids(self) -> list[str]:
        """The ids of the rows in the list, in order."""
        found: list[str] = self.js("[...list.children].map((row) => rows[row.dataset.number].id)")
        return found

    def at(self) -> str:
        """The id of the row that has the focus."""
        focus = "document.activeElement.closest('.row')?.dataset.number"
        found: str = self.js(f"rows[{focus}]?.id ?? ''")
        return found

    def texts(self, selector: str) -> list[str]:
        found: list[str] = self.js(
            "[...document.querySelectorAll(arguments[0])].map((each) => each.textContent)", selector
        )
        return found

    def log(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        return found


@pytest.fixture(scope="module")
def driver() -> Iterator[webdriver.Chrome]:
    if not CHROMIUM or not DRIVER:
        pytest.skip("no Chromium here: on Debian, apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, Service(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def page(driver: webdriver.Chrome) -> Iterator[Page]:
    """A browser in which nothing may be logged, fetched or popped up."""
    opened = Page(driver)
    for kind in ("browser", "performance"):
        driver.get_log(kind)  # type: ignore[no-untyped-call]
    yield opened
    assert opened.log() == []
    sent = [
        message["params"]["request"]["url"]
        for entry in driver.get_log("performance")  # type: ignore[no-untyped-call]
        if (message := json.loads(entry["message"])["message"])["method"]
        == "Network.requestWillBeSent"
    ]
    assert [url for url in sent if not url.startswith(("file:///", "data:"))] == []


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
    assert page.js("list.querySelectorAll('.thumb img').length") < 100  # those out of sight wait
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
        for place in ("id", "image", "question", kind, "mark", "model", "column", "value"):
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


def test_everything_can_be_done_by_keys(page: Page, image: Path) -> None:
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


def test_a_row_far_down_is_brought_into_sight(page: Page, image: Path) -> None:
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


def test_a_missing_image_says_why_on_the_page(page: Page, tmp_path: Path) -> None:
    page.open(page_of(tmp_path, [row(image="<b>gone</b>.png")]))
    assert page.texts(".thumb") == ["No image: there is no file <b>gone</b>.png"]
    page.find(".thumb").click()
    assert "there is no file" in page.find("#viewer").text


def test_a_comparison_is_chosen_from_by_kind_and_its_text_is_text(
    page: Page, run: Run, image: Path
) -> None:
    """Three files with hostile texts and long names, on a phone, too."""
    folder = image.parent
    text = HOSTILE[0]
    answers = {
        "before": ["a", "b", "c", text],
        "after": ["x", "b", "y", "z"],
        "n" * 60: list("abcd"),
    }
    wanted = [{"wanted": truth} for truth in ("a", "b", "y", text)]
    files = [
        results(
            folder, [row(n, answer=some[n], extra=wanted[n]) for n in range(4)], f"{name}.jsonl"
        )
        for name, some in answers.items()
    ]
    assert run("compare", *files, "-o", folder / "p.html", "-q").code == 0
    page.open(folder / "p.html")
    counts = dict(zip(page.texts("#counts dt"), page.texts("#counts dd"), strict=True))
    assert (counts["Rows"], counts["before.jsonl"]) == ("4", "75.0% right")
    assert page.texts("#kinds label")[:3] == [
        "All 3", "after.jsonl: right to wrong 2", "after.jsonl: wrong to right 1",
    ]  # fmt: skip
    page.driver.find_elements(By.CSS_SELECTOR, "#kinds label")[2].click()
    assert page.ids() == ["row-2"]
    assert page.texts(".row .answers dt")[:3] == ["wanted", "before.jsonl", "after.jsonl"]
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
            page.js(f"[...document.querySelectorAll('.body, .said, .source')].filter({inner})")
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
    """The relative luminance, by WCAG, of what `getComputedStyle` gives."""
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
    assert ("button", "More of gone.png, no image: there is no file gone.png") in found
