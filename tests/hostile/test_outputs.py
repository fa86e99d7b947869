"""Outputs aimed at files that the command did not make: each is kept, and one line says what to do."""

import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from zipfile import ZipFile

import pytest
from PIL import Image

from tests.conftest import Finished, Run
from tests.support.budget import read_tree
from tests.support.devices import link_to_device
from vipllava_cli.errors import ExitCode

MAX_SECONDS = 10
INPUT, USAGE = int(ExitCode.INPUT), int(ExitCode.USAGE)

pytestmark = [pytest.mark.model, pytest.mark.usefixtures("opened_once")]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder with images, sources that name them, records and a page of the user."""
    monkeypatch.chdir(tmp_path)
    os.mkdir("images")
    for number in range(2):
        Image.new("RGB", (40 + number, 30), (9, 200, 90)).save(f"images/{number}.png")
    shutil.copy("images/0.png", "photo.webp")
    Image.new("L", (40, 30), 255).save("mask.png")
    rows = [{"image": f"images/{number}.png", "question": "what is it?"} for number in range(2)]
    write_lines("rows.jsonl", rows)
    coco = {
        "images": [{"id": 1, "file_name": "0.png", "width": 40, "height": 30}],
        "categories": [{"id": 1, "name": "dog"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 20, 20]}],
    }
    Path("coco.json").write_text(json.dumps(coco))
    Path("marks.json").write_text('[{"shape": "box", "coords": [1, 1, 9, 9]}]')
    Path("notes.html").write_text("<p>mine")
    Path("synonyms.html").write_text("car, vehicle\n")
    with ZipFile("images.zip", "w") as archive:
        for number in range(2):
            archive.write(f"images/{number}.png")
    record = {
        **{"schema": 1, "id": "a", "key": "k", "image": "images/0.png", "marks": []},
        **{"question": "what?", "answer": "a dog", "error": None, "extra": {"label": "dog"}},
        **{"width": 40, "height": 30, "model": "tiny", "numbers": False, "crop": None},
    }
    write_lines("records.jsonl", [record])
    os.mkfifo("pipe")
    os.symlink("nowhere/out", "dangling")
    link_to_device(Path("device"), "null")
    os.symlink("images/0.png", "link.png")
    os.link("rows.jsonl", "twin.jsonl")
    os.link("images/0.png", "hard.png")
    os.link("marks.json", "marks.png")


def write_lines(name: str, rows: Sequence[Mapping[str, object]]) -> None:
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows))


def contents(root: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def assert_kept(run: Run, command: str, code: int, message: str) -> None:
    """Run a command. It must end with one error line in its time, and leave all files as they are."""
    root = Path.cwd()
    before, bytes_before, start = read_tree(root), contents(root), time.monotonic()
    result = run(*command.split())
    assert time.monotonic() - start < MAX_SECONDS
    assert_one_line(result, code, message)
    assert contents(root) == bytes_before
    if "--out" not in command:  # the journal comes and goes
        assert read_tree(root) == before


def assert_one_line(result: Finished, code: int, message: str) -> None:
    errors = [line for line in result.stderr.splitlines() if not line.startswith("note: ")]
    assert (result.code, len(errors)) == (code, 1), result.stderr
    assert errors[0].startswith("error: ")
    assert message in errors[0]
    assert len(errors[0]) < 600
    assert "a bug in vipllava" not in result.stderr


BATCH = "batch rows.jsonl --model tiny -q"
LOSE, KIND, ANSWERS = "would lose it", "even --force does not replace", "holds answers"

ATTACKS: list[tuple[str, int, str]] = [
    # a page over something that is not a page
    (f"{BATCH} --out r.jsonl --report photo.webp", INPUT, KIND),
    (f"{BATCH} --out r.jsonl --report photo.webp --force", INPUT, KIND),
    (f"{BATCH} --out r.jsonl --report images/0.png --force", USAGE, "suffix of another format"),
    (f"{BATCH} --out r.jsonl --report images.zip --force", INPUT, KIND),
    (f"{BATCH} --out r.jsonl --report notes.html", INPUT, "add --force to overwrite"),
    (f"{BATCH} --out r.jsonl --report pipe --force", INPUT, "pipe or a device"),
    (f"{BATCH} --out r.jsonl --report device --force", INPUT, "pipe or a device"),
    (f"{BATCH} --out r.jsonl --report images --force", INPUT, "is a folder"),
    (f"{BATCH} --out r.jsonl --report dangling --force", INPUT, "there is no folder"),
    (f"{BATCH} --out r.jsonl --report link.webp.html/x", INPUT, "there is no folder"),
    ("report records.jsonl -o photo.webp --force", INPUT, KIND),
    ("report records.jsonl -o images.zip --force", INPUT, KIND),
    ("report records.jsonl -o notes.html", INPUT, "--force overwrites it"),
    ("report records.jsonl -o pipe --force", INPUT, "pipe or a device"),
    ("report records.jsonl -o /dev/stdout", USAGE, "cannot go to stdout"),
    ("compare records.jsonl --truth label --out photo.webp --force", INPUT, KIND),
    ("compare records.jsonl --truth label --out notes.html", INPUT, "--force overwrites it"),
    ("compare records.jsonl --truth label --out /dev/stdout", USAGE, "cannot go to stdout"),
    (
        "compare records.jsonl --truth label --synonyms synonyms.html --out synonyms.html --force",
        INPUT,
        LOSE,
    ),
    # records and tables over inputs and other files
    (f"{BATCH} --out rows.jsonl --fresh --force", USAGE, "is also the source"),
    (f"{BATCH} --out twin.jsonl --fresh --force", USAGE, "is also the source"),
    ("batch coco.json --out r.jsonl --report coco.json --force -q", USAGE, "is also the source"),
    (f"{BATCH} --out r.jsonl --marks marks.json --report marks.json --force", INPUT, LOSE),
    (f"{BATCH} --out r.jsonl --images images.zip --report images.zip --force", INPUT, LOSE),
    ("batch images.zip/images --out r.jsonl --report images.zip -q --force", INPUT, LOSE),
    (f"{BATCH} --out pipe.jsonl --report pipe.jsonl", USAGE, "is also another output"),
    (f"{BATCH} --out /dev/null --fresh --force", USAGE, "expected a name that ends in .jsonl"),
    (f"{BATCH} --out /dev/stdout", USAGE, "expected a name that ends in .jsonl"),
    (f"{BATCH} --out - ", USAGE, "expected a name that ends in .jsonl"),
    # the answers and the image of `ask`, and of `annotate`
    ("ask images/0.png what? --model tiny -o records.jsonl", INPUT, "--force overwrites it"),
    ("ask images/0.png what? --model tiny -o images.zip --force", INPUT, KIND),
    ("ask images.zip/images/0.png what? --model tiny -o images.zip --force", INPUT, LOSE),
    ("ask images/0.png what? --marks marks.json -o marks.json --force", INPUT, LOSE),
    ("ask images/0.png what? --model tiny --save-marked link.png --force", INPUT, LOSE),
    ("ask images/0.png what? --model tiny --save-marked hard.png --force", INPUT, LOSE),
    ("ask images/0.png what? --mask mask.png --save-marked mask.png --force", INPUT, LOSE),
    ("ask images/0.png what? --marks marks.json --save-marked marks.png --force", INPUT, LOSE),
    ("ask images/0.png what? --model tiny --save-marked /dev/stdout", USAGE, "mix the image"),
    ("ask images/0.png what? --model tiny -o dangling --force", INPUT, "there is no folder"),
    ("annotate images/0.png --box 1,1,9,9 -o hard.png --force", INPUT, LOSE),
    ("annotate images/0.png --box 1,1,9,9 -o link.png --force", INPUT, LOSE),
    ("annotate images/0.png --mask mask.png -o mask.png --force", INPUT, LOSE),
    ("annotate images/0.png --box 1,1,9,9 -o records.png --force", INPUT, ANSWERS),
    ("annotate images/0.png --box 1,1,9,9 -o pipe.png --force", INPUT, "pipe or a device"),
    # exports
    ("export records.jsonl --to coco -o records.json --force", INPUT, LOSE),
    ("export records.jsonl --to coco -o coco.json", INPUT, "--force overwrites it"),
    ("export records.jsonl --to coco --source coco.json -o coco.json --force", INPUT, LOSE),
    (
        "export records.jsonl --to csv --source coco.json --images images.zip -o images.zip --force",
        INPUT,
        LOSE,
    ),
    ("export records.jsonl --to yolo -o images --force", INPUT, "which the export reads"),
    ("export records.jsonl --to coco -o /dev/stdout", USAGE, "cannot go to stdout"),
    ("export records.jsonl --to coco -o photo.webp --force", INPUT, KIND),
    # conversations
    ("chat images/0.png --model tiny --save records.jsonl", INPUT, "already exists"),
    ("chat images/0.png --model tiny --save images/0.png", INPUT, "already exists"),
    ("chat images/0.png --model tiny --save hard.png", INPUT, "already exists"),
    ("chat images/0.png --model tiny --save pipe", INPUT, "already exists"),
    ("chat images/0.png --model tiny --save none/chat.json", INPUT, "there is no folder"),
    # benchmarks
    ("eval clipart --n 1 --model tiny --out images/0.png", INPUT, "is a file"),
    ("eval clipart --n 1 --model tiny --out run --force", INPUT, "no run of eval made it"),
    ("eval clipart --n 1 --model tiny --out run2 --force", INPUT, "no run of eval made it"),
    ("eval clipart --n 1 --model tiny --out run3 --force", INPUT, "pipe or a device"),
]


@pytest.mark.parametrize(("command", "code", "message"), ATTACKS, ids=[a[0] for a in ATTACKS])
def test_no_file_is_replaced(run: Run, command: str, code: int, message: str) -> None:
    os.mkfifo("pipe.png")
    os.link("records.jsonl", "records.png")
    os.link("records.jsonl", "records.json")
    for folder, name in (("run", "scores.json"), ("run2", "scores.md")):
        os.mkdir(folder)
        Path(folder, name).write_text("[4, 5]")
    os.mkdir("run3")
    os.mkfifo("run3/scores.csv")
    assert_kept(run, command, code, message)


# --- marked images of a batch ----------------------------------------------------------------

BOX = "--box 1,1,20,20"


@pytest.mark.parametrize("flags", ["", "--force", "--append"])
def test_marked_images_never_replace_the_source(run: Run, flags: str) -> None:
    """The marked image of the row `0` would have the name of the image of the row `1`."""
    rows = [{"id": str(n), "image": f"images/{1 - n}.png", "question": "?"} for n in range(2)]
    write_lines("rows.jsonl", rows)
    command = f"{BATCH} {BOX} --out r.jsonl --save-marked images {flags}"
    assert_kept(run, command, INPUT, "give --save-marked another folder")
    assert_kept(run, f"{command} --dry-run", INPUT, "give --save-marked another folder")


def test_marked_images_never_replace_a_marked_source(run: Run) -> None:
    """The images of the source are marked images of an earlier run, through a link."""
    first = run(*f"batch images {BOX} --out r.jsonl --save-marked marked -q --model tiny".split())
    assert first.code == 0, first.stderr
    rows = [{"id": f"{n}.png", "image": f"marked/{n}.png.png"} for n in range(2)]
    write_lines("rows.jsonl", rows)
    os.symlink("marked", "other")
    for folder in ("marked", "other"):
        command = f"{BATCH} {BOX} --out s.jsonl --save-marked {folder} --force"
        assert_kept(run, command, INPUT, "is an image of the source")


def test_marked_images_replace_only_marked_images(run: Run) -> None:
    os.mkdir("marked")
    Path("marked/0.png.png").write_text("mine")
    command = f"batch images {BOX} --out r.jsonl --save-marked marked -q --model tiny"
    assert_kept(run, command, INPUT, "no run made it")
    os.unlink("marked/0.png.png")
    assert run(*command.split()).code == 0
    made = Path("marked/0.png.png").read_bytes()
    Path("r.jsonl").unlink()
    assert run(*command.split()).code == 0, "its own marked images may be made again"
    assert Path("marked/0.png.png").read_bytes() == made


def test_rows_of_standard_input_replace_no_image(run: Run) -> None:
    rows = b'{"id": "0", "image": "images/1.png"}\n{"id": "1", "image": "images/0.png"}\n'
    before = contents(Path("images"))
    command = f"batch - {BOX} --out r.jsonl --save-marked images -q --model tiny"
    assert_one_line(run(*command.split(), stdin=rows), INPUT, "no run made it")
    assert contents(Path("images")) == before


# --- what may be written ---------------------------------------------------------------------


def test_the_same_command_makes_its_page_again(run: Run) -> None:
    command = ["batch", "images", "--out", "r.jsonl", "--report", "r.html", "-q", "--model", "tiny"]
    assert run(*command).code == 0
    page = Path("r.html").read_bytes()
    shutil.copy("images/0.png", "images/2.png")
    assert run(*command).code == 0
    assert Path("r.html").read_bytes() != page
    other = f"{BATCH} --out other.jsonl --report r.html"
    assert_kept(run, other, INPUT, "add --force to overwrite the page")
    assert run(*other.split(), "--force").code == 0


def test_the_report_of_the_same_records_is_made_again(run: Run) -> None:
    assert run("report", "records.jsonl", "-q").code == 0
    assert run("report", "records.jsonl", "-q").code == 0
    shutil.copy("records.jsonl", "more.jsonl")
    command = "report more.jsonl -o records.html"
    assert_kept(run, command, INPUT, "--force overwrites it")
    assert run(*command.split(), "--force").code == 0


@pytest.mark.parametrize("out", ["-", "/dev/stdout", "/dev/fd/1"])
def test_standard_output_has_several_names(run: Run, out: str) -> None:
    result = run("ask", "images/0.png", "what is it?", "--model", "tiny", "-q", "-o", out)
    assert (result.code, result.stderr) == (0, "")
    assert result.stdout.strip()


@pytest.mark.parametrize("name", ["records.jsonl", "images/0.png", "hard.png", "dangling", "pipe"])
def test_save_in_a_conversation_replaces_nothing(run: Run, name: str) -> None:
    before = contents(Path.cwd())
    result = run("chat", "images/0.png", "--model", "tiny", stdin=f"/save {name}\n".encode())
    assert_one_line(result, USAGE, "already exists")
    assert contents(Path.cwd()) == before


def test_a_session_that_another_program_replaced_is_kept(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vipllava_cli.flows.chat.chat import Chat

    original = Chat.update_state

    def replaced(chat: Chat, *given: object) -> None:
        original(chat, *given)  # type: ignore[arg-type]
        os.replace("notes.html", "chat.json")

    monkeypatch.setattr(Chat, "update_state", replaced)
    result = run(
        *("chat", "images/0.png", "--model", "tiny", "--save", "chat.json"),
        stdin=b"what is it?\n/box 1,1,9,9\n",
    )
    assert "chat.json was changed by another program" in result.stderr
    assert Path("chat.json").read_text() == "<p>mine"


def test_a_link_to_another_disk_stays_a_link(run: Run, tmp_path_factory: object) -> None:
    """`/dev/shm` is a file system of its own."""
    target = Path("/dev/shm") / f"vipllava-{os.getpid()}.png"
    os.symlink(target, "far.png")
    try:
        command = "annotate images/0.png --box 1,1,9,9 -o far.png -q --force"
        assert run(*command.split()).code == 0
        assert os.readlink("far.png") == str(target)
        with Image.open(target) as written:
            assert written.size == (40, 30)
    finally:
        target.unlink(missing_ok=True)
