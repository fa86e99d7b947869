"""The command as a user meets it: help, ask, annotate, and what they do not load."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import SAMPLES, Run
from vipllava_cli import __version__
from vipllava_cli.storage.records import SCHEMA

pytestmark = pytest.mark.usefixtures("opened_once")

ZOO = SAMPLES / "zoo-red-box.png"
QUESTION = "what is in the red box?"


def vipllava(*arguments: str, **options: object) -> "subprocess.CompletedProcess[bytes]":
    """The command in a process of its own."""
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        [sys.executable, "-m", "vipllava_cli", *arguments],
        capture_output=True,
        check=False,
        **options,
    )


def test_help_shows_every_subcommand_with_an_example(run: Run) -> None:
    overview = run("--help")
    assert overview.code == 0
    for name in ("ask", "annotate", "batch", "chat", "report", "compare", "plan", "doctor"):
        assert f"vipllava {name} " in overview.stdout
        assert f"vipllava {name} " in run(name, "--help").stdout
    assert run("--version").stdout.strip() == f"vipllava {__version__}"


def test_help_goes_from_the_marks_to_the_output(run: Run) -> None:
    for name in ("ask", "annotate"):
        shown = run(name, "--help").stdout
        places = [shown.find(flag) for flag in ("--box", "--zoom", "--quiet")]
        assert -1 < places[0] < places[1] < places[2]
        assert "<bool>" not in shown


def test_a_shell_completes_subcommands_and_flags() -> None:
    for words, expected in (("vipllava ann", "annotate"), ("vipllava ask --ell", "--ellipse")):
        ended = vipllava(env={
            **os.environ, "_VIPLLAVA_COMPLETE": "complete_bash",
            "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1),
        })  # fmt: skip
        assert ended.stdout.decode().split() == [expected]


def test_an_answer_is_alone_on_stdout(run: Run) -> None:
    result = run("ask", ZOO, QUESTION)
    assert (result.code, result.stdout) == (0, "a penguin\n")
    assert "tiny" in result.stderr
    assert "vipllava models pull 7b" in result.stderr
    assert run("ask", ZOO, QUESTION, "-q").stderr == ""
    assert run("ask", ZOO, QUESTION, "--model", "tiny").stderr == ""


def test_several_questions_give_one_answer_a_line(run: Run) -> None:
    result = run("ask", ZOO, QUESTION, "what kind of thing is in the red box?")
    assert result.stdout == "a penguin\nan animal\n"


def test_an_image_comes_from_standard_input(run: Run) -> None:
    assert run("ask", "-", QUESTION, stdin=ZOO.read_bytes()).stdout == "a penguin\n"


def test_a_record_holds_what_repeats_the_answer(run: Run) -> None:
    flags = ["--box", "294,48,522,247", "--template", "vicuna", "--json"]
    result = run("ask", SAMPLES / "garden.png", "what is {1}?", *flags)
    row = json.loads(result.stdout)
    assert row["schema"] == SCHEMA
    assert set(row) == {
        "schema", "id", "image", "width", "height", "marks", "numbers", "crop", "question", "answer",
        "finish_reason", "prompt_tokens", "answer_tokens", "model", "revision", "template",
        "options", "dtype", "device", "seconds", "error", "key", "extra",
    }  # fmt: skip
    assert row["question"] == "what is the object within the red rectangle?"
    assert row["answer"] == "a butterfly"
    assert (row["width"], row["height"]) == (640, 640)
    assert row["marks"][0]["coords"] == [294, 48, 522, 247]
    assert (row["model"], row["template"], row["finish_reason"]) == ("tiny", "vicuna", "stop")
    again = json.loads(run("ask", row["image"], row["question"], *flags).stdout)
    assert again["id"] == row["id"]


def test_a_record_repeats_from_its_own_marks(run: Run, tmp_path: Path) -> None:
    flags = ["--ellipse", "lime:45,257,293,534", "--arrow", "20,20,90,90", "--json"]
    row = json.loads(run("ask", ZOO, QUESTION, *flags).stdout)
    (tmp_path / "marks.json").write_text(json.dumps(row["marks"]), encoding="utf-8-sig")
    again = json.loads(
        run("ask", ZOO, QUESTION, "--marks", tmp_path / "marks.json", "--json").stdout
    )
    assert again["id"] == row["id"]


def test_notes_say_what_a_user_should_know(run: Run) -> None:
    said = run("ask", ZOO, "what does the blue arrow show, ###?", "--box", "-5,10,9,20").stderr
    assert "blue arrow" in said
    assert "###" in said
    assert "clipped" in said
    assert "--zoom" in said


def test_zoom_looks_at_a_small_region(run: Run) -> None:
    flags = ["--box", "10,10,30,30", "--zoom", "--json"]
    row = json.loads(run("ask", ZOO, QUESTION, *flags).stdout)
    assert row["crop"] == [0, 0, 95, 95]
    assert row["marks"][0]["coords"] == [10, 10, 30, 30]


def test_marks_are_drawn_in_the_order_typed(run: Run, image: Path, tmp_path: Path) -> None:
    flags = ["--point", "50,50", "--box", "40,40,60,60", "--point", "70,50"]
    row = json.loads(run("ask", image, "{1} {2} {3}", *flags, "--json").stdout)
    assert [mark["shape"] for mark in row["marks"]] == ["point", "box", "point"]
    assert [mark["color"] for mark in row["marks"]] == ["red", "lime", "blue"]


# --- annotate --------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1920, 1080), (4032, 3024)])
def test_the_models_view_keeps_a_box_at_the_edge(
    run: Run, tmp_path: Path, size: tuple[int, int]
) -> None:
    Image.new("RGB", size, (128, 128, 128)).save(tmp_path / "wide.png")
    result = run(
        "annotate", tmp_path / "wide.png", "--box", "0,25%,20%,75%",
        "--model-view", "-o", tmp_path / "view.png",
    )  # fmt: skip
    assert result.code == 0
    with Image.open(tmp_path / "view.png") as view:
        pixels = np.asarray(view.convert("RGB"), int)
    assert pixels.shape == (336, 336, 3)
    red = (pixels[..., 0] > 150) & (pixels[..., 1] < 100) & (pixels[..., 2] < 100)
    assert red.sum() > 300


def test_a_rotated_image_is_marked_as_it_is_seen(run: Run, tmp_path: Path) -> None:
    with Image.open(SAMPLES / "astronaut-rotated.jpg") as stored:
        pixels = stored.convert("RGB").transpose(Image.Transpose.ROTATE_270)
        assert stored.getexif()[0x0112] == 6
        stored.convert("RGB").save(tmp_path / "rotated.png", exif=stored.getexif())
    pixels.save(tmp_path / "upright.png")
    for name in ("rotated", "upright"):
        flags = ["--box", "10,20,200,300", "--arrow", "20%,80%", "-o", tmp_path / f"{name}-out.png"]
        assert run("annotate", tmp_path / f"{name}.png", *flags).code == 0
    with (
        Image.open(tmp_path / "rotated-out.png") as one,
        Image.open(tmp_path / "upright-out.png") as other,
    ):
        assert one.tobytes() == other.tobytes()


def test_an_image_goes_through_a_pipe() -> None:
    drawn = vipllava("annotate", str(ZOO), "--point", "50,50", "-o", "-", "-q")
    with Image.open(io.BytesIO(drawn.stdout)) as image:
        assert image.size == (640, 640)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ask"], "Missing argument 'image': see `vipllava ask --help`"),
        (["asq"], "Did you mean 'ask'?"),
        (["ask", "a.png", "what?", "--temprature", "1"], "--temperature"),
        (["ask", "a.png", "what?", "--temperature", "inf"], "less than or equal to 100"),
        (["ask", "a.png", "what?", "--device", "gpu"], "'auto', 'cuda', 'mps', 'cpu'"),
        (["--nothing"], "see `vipllava --help`"),
    ],
)
def test_wrong_usage_is_one_line(run: Run, arguments: list[str], said: str) -> None:
    result = run(*arguments)
    assert (result.code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert said in result.stderr


# --- what a process loads and returns ----------------------------------------------------------


def test_what_needs_no_model_never_imports_torch(tmp_path: Path, run: Run) -> None:
    records = tmp_path / "records.jsonl"
    records.write_text(run("ask", ZOO, QUESTION, "--json").stdout)
    program = (
        "import json, sys\n"
        "from vipllava_cli.cli.app import app\n"
        "for arguments in json.loads(sys.argv[1]):\n"
        "    try:\n"
        "        app(arguments, prog_name='vipllava')\n"
        "    except SystemExit as end:\n"
        "        heavy = ('torch', 'transformers', 'accelerate', 'prompt_toolkit')\n"
        "        loaded = [module for module in heavy if module in sys.modules]\n"
        "        if loaded or end.code:\n"
        "            sys.exit(f'{arguments}: {loaded}, {end.code}')\n"
    )
    commands = [
        ["--help"],
        ["ask", "--help"],
        ["chat", "--help"],
        ["eval", "clipart", "--help"],
        ["annotate", str(ZOO), "--box", "1,1,50,50", "-o", str(tmp_path / "out.png")],
        ["batch", str(SAMPLES), "--out", str(tmp_path / "r.jsonl"), "--dry-run"],
        ["report", str(records), "-o", str(tmp_path / "r.html")],
        ["models", "list"],
        ["models", "info", "7b"],
    ]
    ended = subprocess.run(
        [sys.executable, "-c", program, json.dumps(commands)], capture_output=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count(b"Usage: vipllava") == 4


def test_a_closed_pipe_is_no_bug() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(
        [sys.executable, "-m", "vipllava_cli", "annotate", str(ZOO), "-o", "-", "-q"],
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writer)
    assert ended.returncode == 141
    assert ended.stderr == b""
