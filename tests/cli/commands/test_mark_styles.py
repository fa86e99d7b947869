"""`--mark-style` in every subcommand: what the model receives, records, resumed runs."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.conftest import SAMPLES, Run
from tests.support.commands import assert_error_line
from tests.support.vision_server import VisionServer, serving
from vipllava_cli.engine.prompts.region_conventions import find_convention
from vipllava_cli.engine.prompts.region_units import to_pixels
from vipllava_cli.marks.reference_style import ReferenceStyle

GARDEN = SAMPLES / "garden.png"
BUTTERFLY = "294,48,522,247"
STYLES = [style.value for style in ReferenceStyle]
FAMILIES = (
    "qwen3-vl:8b",
    "qwen2.5vl:7b",
    "Qwen2-VL-2B",
    "internvl3",
    "minicpm-v:4.5",
    "glm-4.5v",
    "kimi-vl",
    "gemini-2.5-flash",
    "paligemma2",
    "llava:7b",
)
GREEN = (0, 200, 0)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VIPLLAVA_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def server() -> Iterator[VisionServer]:
    with serving(VisionServer()) as state:
        yield state


def add(run: Run, server: VisionServer, model: str) -> None:
    server.model = model
    assert run("models", "add", "box", "--url", server.url, "--model", model).code == 0


def record(run: Run, *arguments: object) -> dict[str, Any]:
    finished = run(*arguments, "--json", "-q")
    assert (finished.code, finished.stderr) == (0, "")
    parsed: dict[str, Any] = json.loads(finished.stdout)
    return parsed


def image_with_a_patch(folder: Path, size: tuple[int, int], box: Sequence[int]) -> Path:
    image = Image.new("RGB", size, (60, 60, 60))
    image.paste(GREEN, tuple(box))  # type: ignore[arg-type]
    path = folder / "patch.png"
    image.save(path)
    return path


def load(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def patch_in(image: Image.Image) -> tuple[int, ...]:
    """Return the box of the patch: left, top, right, bottom."""
    rows, columns = np.nonzero(
        (np.abs(np.asarray(image.convert("RGB")).astype(int) - GREEN) < 60).all(-1)
    )
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


# --- coordinates ---------------------------------------------------------------------------------


@pytest.mark.parametrize("model", FAMILIES)
@pytest.mark.parametrize("zoom", [False, True])
@pytest.mark.parametrize("size", [(800, 600), (300, 1000), (2500, 1500)])
def test_the_coordinates_are_those_of_the_image_that_is_sent(
    run: Run, server: VisionServer, tmp_path: Path, model: str, zoom: bool, size: tuple[int, int]
) -> None:
    add(run, server, model)
    box = (size[0] // 4, size[1] // 3, size[0] // 2, size[1] * 2 // 3)
    image = image_with_a_patch(tmp_path, size, box)
    typed = ",".join(map(str, box))
    style = ["--mark-style", "coordinates", *(["--zoom"] if zoom else [])]
    row = record(run, "ask", image, "what is {1}?", "--box", typed, "--model", "box", *style)
    sent = server.images[-1]
    convention = find_convention(model)
    assert convention
    numbers = [
        float(each) for each in re.findall(r"\d+(?:\.\d+)?", row["question"].split("region", 1)[1])
    ]
    numbers = numbers[1:] if '_2d"' in row["question"] else numbers  # of the name `bbox_2d`
    place = to_pixels(numbers, sent.size, convention)
    assert place == pytest.approx(patch_in(sent), abs=0.003 * sent.width + 1)
    assert row["mark_style"] == "coordinates"
    assert "red" not in row["question"]


def test_an_image_for_a_model_that_counts_pixels_needs_no_resizing(
    run: Run, server: VisionServer, tmp_path: Path
) -> None:
    add(run, server, "qwen2.5vl:7b")
    for size in ((40, 30), (800, 600), (4000, 3000)):
        image = image_with_a_patch(tmp_path, size, (1, 1, size[0] // 2, size[1] // 2))
        record(
            run, "ask", image, "what is {1}?", "--box", "1,1,50%,50%", "--model", "box",
            "--mark-style", "coordinates",
        )  # fmt: skip
        width, height = server.images[-1].size
        assert width % 28 == height % 28 == 0
        assert 56 * 56 <= width * height <= 1280 * 28 * 28


@pytest.mark.parametrize(
    ("style", "is_drawn"),
    [
        ("auto", True),
        ("drawn", True),
        ("numbered", True),
        ("coordinates", False),
        ("coordinates+drawn", True),
        ("crop", True),
    ],
)
def test_whether_the_mark_is_on_the_image_that_is_sent(
    run: Run, server: VisionServer, tmp_path: Path, style: str, is_drawn: bool
) -> None:
    add(run, server, "qwen3-vl")
    image = tmp_path / "grey.png"
    Image.new("RGB", (640, 480), (60, 60, 60)).save(image)
    marks = ("--box", "red:100,100,400,300", "--model", "box", "--mark-style", style)
    row = record(run, "ask", image, "what is {1}?", *marks)
    pixels = np.asarray(server.images[-1].convert("RGB")).astype(int)
    assert (np.abs(pixels - (255, 0, 0)).max(-1) < 30).any() == is_drawn
    assert ("mark_style" in row) == (style not in ("auto", "drawn"))


def test_a_model_without_coordinates(run: Run, server: VisionServer) -> None:
    add(run, server, "a-vision-model")
    for command in (
        ("ask", GARDEN, "what is {1}?", "--box", BUTTERFLY),
        ("batch", SAMPLES, "--question", "what?", "--out", "r.jsonl"),
        ("chat", GARDEN, "--box", BUTTERFLY),
        ("eval", "clipart", "--n", "1"),
    ):
        finished = run(*command, "--model", "box", "--mark-style", "coordinates")
        assert_error_line(finished, 2, "drawn, numbered or crop")
    assert not server.bodies  # refused before anything is sent


def test_an_unknown_style_names_the_known_ones(run: Run) -> None:
    finished = run("ask", GARDEN, "what?", "--mark-style", "nubmered")
    assert finished.code == 2
    assert "numbered" in finished.stderr
    assert finished.stderr.count("\n") == 1


# --- records and resumed runs --------------------------------------------------------------------


def write_manifest(folder: Path, count: int) -> Path:
    marks = [{"shape": "box", "coords": [294, 48, 522, 247]}]
    rows = [
        {"id": f"r{n}", "image": str(GARDEN), "question": f"{n}: what is {{1}}?", "marks": marks}
        for n in range(count)
    ]
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("style", STYLES)
def test_a_batch_of_each_style_resumes(
    run: Run, server: VisionServer, tmp_path: Path, style: str
) -> None:
    add(run, server, "internvl3")
    out = tmp_path / "out.jsonl"
    some, all_rows = write_manifest(tmp_path, 2), ("--out", out, "--model", "box", "-q")
    assert run("batch", some, *all_rows, "--mark-style", style).code == 0
    assert run("batch", write_manifest(tmp_path, 5), *all_rows, "--mark-style", style).code == 0
    assert set(server.rows().values()) == {1}  # no row was asked twice
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["id"] for row in rows] == [f"r{n}" for n in range(5)]
    assert {row.get("mark_style", "drawn") for row in rows} == {style}


def test_another_style_is_another_request(run: Run, server: VisionServer, tmp_path: Path) -> None:
    add(run, server, "internvl3")
    manifest, out = write_manifest(tmp_path, 1), tmp_path / "out.jsonl"
    settings = ("batch", manifest, "--out", out, "--model", "box", "-q")
    assert run(*settings).code == 0
    assert run(*settings, "--mark-style", "drawn").code == 0  # the default of the family
    assert sum(server.rows().values()) == 1
    refused = run(*settings, "--mark-style", "numbered")
    assert refused.code == 3
    assert "with --mark-style drawn, but this run has --mark-style numbered" in refused.stderr
    assert run(*settings, "--mark-style", "crop", "--append").code == 0
    assert run(*settings, "--mark-style", "crop", "--append").code == 0
    assert sum(server.rows().values()) == 2


def test_the_setting_is_the_default_of_every_subcommand(
    run: Run, server: VisionServer, tmp_path: Path
) -> None:
    add(run, server, "qwen3-vl")
    assert run("config", "set", "mark-style", "numbered").code == 0
    assert run("config", "show", "mark-style").stdout == "numbered\n"
    asked = ("ask", GARDEN, "what is {1}?", "--box", BUTTERFLY, "--model", "box")
    assert record(run, *asked)["question"] == "what is region 1?"
    assert "rectangle" in record(run, *asked, "--mark-style", "auto")["question"]
    assert run("config", "set", "mark-style", "sideways").code == 2
    assert run("config", "set", "mark-style", "coordinates").code == 0
    # An image alone shows no coordinates, so `annotate` has a style of its own.
    out = tmp_path / "m.png"
    assert run("annotate", GARDEN, "--box", BUTTERFLY, "-o", out).code == 0


def test_a_page_and_a_table_show_the_style(run: Run, server: VisionServer, tmp_path: Path) -> None:
    add(run, server, "qwen3-vl")
    manifest, out = write_manifest(tmp_path, 1), tmp_path / "out.csv"
    page = tmp_path / "out.html"
    assert (
        run(
            "batch", manifest, "--out", out, "--model", "box", "-q", "--mark-style", "crop",
            "--report", page,
        ).code
        == 0
    )  # fmt: skip
    assert "mark_style" in out.read_text().splitlines()[0].split(",")
    assert ",crop," in out.read_text().splitlines()[1]
    assert "Mark style" in page.read_text()
    thumbnail = json.loads(re.findall(r'id="thumbnail-0">(.*?)</script>', page.read_text())[0])
    assert thumbnail["height"] > thumbnail["width"] / 2  # the region is beside the image


def test_compare_says_that_the_styles_differ(
    run: Run, server: VisionServer, tmp_path: Path
) -> None:
    add(run, server, "qwen3-vl")
    manifest = write_manifest(tmp_path, 3)
    for style in ("drawn", "numbered"):
        out = tmp_path / f"{style}.jsonl"
        assert (
            run("batch", manifest, "--out", out, "--model", "box", "-q", "--mark-style", style).code
            == 0
        )
    finished = run("compare", tmp_path / "drawn.jsonl", tmp_path / "numbered.jsonl")
    assert finished.code == 0
    assert (
        "3 of 3 rows refer to their marks in another style in another file: drawn, numbered"
        in finished.stderr
    )
    assert "different questions" not in finished.stderr


def test_fields_are_asked_in_the_style(run: Run, server: VisionServer) -> None:
    add(run, server, "qwen3-vl")
    server.answers = {"": "wood"}
    row = record(
        run, "ask", GARDEN, "--fields", "material: text; age 'how old is it?': text",
        "--box", BUTTERFLY, "--model", "box", "--mark-style", "coordinates",
    )  # fmt: skip
    first, second = row["question"].split("\n")
    assert "bbox_2d" in first
    assert second.startswith('Look at the region {"bbox_2d"')


# --- annotate ------------------------------------------------------------------------------------


def test_annotate_draws_the_styles_of_an_image(run: Run, tmp_path: Path) -> None:
    images = {}
    for style in ("drawn", "numbered", "crop"):
        out = tmp_path / f"{style}.png"
        finished = run("annotate", GARDEN, "--box", BUTTERFLY, "--mark-style", style, "-o", out)
        assert finished.code == 0
        images[style] = load(out)
    assert images["drawn"].size == images["numbered"].size == (640, 640)
    assert images["drawn"].tobytes() != images["numbered"].tobytes()
    assert images["crop"].size == (960, 640)
    plain = tmp_path / "plain.png"
    assert run("annotate", GARDEN, "--box", BUTTERFLY, "-o", plain).code == 0
    assert load(plain).tobytes() == images["drawn"].tobytes()
    refused = run("annotate", GARDEN, "--box", BUTTERFLY, "--mark-style", "coordinates", "--show")
    assert refused.code == 2


# --- with the shipped model ----------------------------------------------------------------------


@pytest.mark.model
@pytest.mark.parametrize("style", STYLES)
def test_ask_and_chat_agree_in_every_style(run: Run, style: str, opened_once: None) -> None:
    marks = ("--box", BUTTERFLY, "--mark-style", style)
    question = "what is in the red box?"
    row = record(run, "ask", GARDEN, question, *marks)
    talked = run("chat", GARDEN, *marks, "-q", stdin=f"{question}\n".encode())
    assert (talked.code, talked.stdout) == (0, f"{row['answer']}\n")
    if style in ("drawn", "crop"):
        assert row["answer"] == "a butterfly"


@pytest.mark.model
def test_chat_changes_the_style_between_questions(
    run: Run, tmp_path: Path, opened_once: None
) -> None:
    session = tmp_path / "s.json"
    ask = "what is in the red box?\n"
    lines = f"/set mark-style numbered\n{ask}/set mark-style auto\n{ask}".encode()
    talked = run("chat", GARDEN, "--box", BUTTERFLY, "--save", session, stdin=lines)
    assert talked.code == 0
    assert talked.stdout.splitlines()[1] == "a butterfly"
    assert talked.stderr.count("image changed") == 1
    first, second = json.loads(session.read_text())["turns"]
    assert (first["mark_style"], "mark_style" in second) == ("numbered", False)
    assert (first["question"], first["numbers"]) == ("what is in region 1?", True)
    assert (second["question"], second["numbers"]) == ("what is in the red box?", False)
    again = run("chat", "--resume", session, "-q", stdin=ask.encode())
    assert (again.code, again.stdout) == (0, "a butterfly\n")
    assert run("chat", GARDEN, "-q", stdin=b"/set mark-style up\n").code == 2


@pytest.mark.model
def test_eval_compares_all_styles_on_the_same_rows(
    run: Run, tmp_path: Path, opened_once: None
) -> None:
    out = tmp_path / "out"
    finished = run("eval", "clipart", "--n", 2, "--mark-style", "all", "--out", out, "-q")
    assert finished.code == 0
    lines = finished.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["mark", *STYLES]
    scores = json.loads((out / "styles.json").read_text())
    assert list(scores["styles"]) == STYLES
    assert len({each["rows"] for each in scores["styles"].values()}) == 1
    assert "| drawn |" in (out / "styles.md").read_text()
    ids = [
        [
            json.loads(line)["id"]
            for line in (out / style / "records.jsonl").read_text().splitlines()
        ]
        for style in STYLES
    ]
    assert all(each == ids[0] for each in ids)
    # A style alone gives the same scores, also in JSON.
    single = run("eval", "clipart", "--n", 2, "--mark-style", "numbered", "--json", "-q")
    figures = json.loads(single.stdout)["figures"]
    assert figures == scores["styles"]["numbered"]["figures"]
    # The plain benchmark is that of drawn marks, and resumes.
    plain = run("eval", "clipart", "--n", 2, "--out", out / "drawn", "--json", "-q")
    assert json.loads(plain.stdout)["figures"] == scores["styles"]["drawn"]["figures"]


def test_styles_that_do_not_name_marks_are_refused_for_options_by_text(
    run: Run, tmp_path: Path, opened_once: None
) -> None:
    (tmp_path / "q.json").write_text("[]")
    finished = run(
        "eval", "visual7w", "--data", tmp_path, "--out", tmp_path / "o", "--by", "text",
        "--mark-style", "numbered",
    )  # fmt: skip
    assert finished.code == 2
    assert "--by letter" in finished.stderr


@pytest.mark.parametrize("style", ["drawn", "numbered", "crop"])
def test_clipart_says_nothing_of_the_marks_that_its_questions_only_name(
    run: Run, server: VisionServer, style: str
) -> None:
    add(run, server, "llava:7b")
    finished = run("eval", "clipart", "--n", "4", "--model", "box", "--mark-style", style)
    assert finished.code == 0
    assert "names the" not in finished.stderr
