"""`vipllava batch` into a file that has answers, and the end of a run, with a fake engine."""

import json
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import ROOT, Finished, Run
from tests.support.batch import read_answers, write_grey_images
from tests.support.fake_engine import FakeEngine
from tests.support.report_pages import blocks
from vipllava_cli.cli.repeat_command import batch_command, retry_command
from vipllava_cli.storage.journal import read_journal

Batch = Callable[..., Finished]


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """The engine that every batch opens."""
    fake = FakeEngine()
    monkeypatch.setattr("vipllava_cli.cli.model_loading.open_model", lambda *_: fake)
    return fake


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of three images in the working folder."""
    monkeypatch.chdir(tmp_path)
    folder = write_grey_images(tmp_path / "images")
    for number in range(3, 20):
        (folder / f"{number}.png").unlink()
    return folder


@pytest.fixture
def batch(run: Run, images: Path, monkeypatch: pytest.MonkeyPatch) -> Batch:
    """Run `batch images --out r.jsonl` with these further arguments."""

    def run_batch(*arguments: str, source: str = "images", **options: bytes) -> Finished:
        words = ["batch", source, "--out", "r.jsonl", "--model", "tiny", *arguments]
        monkeypatch.setattr(sys, "argv", ["vipllava", *words])
        return run(*words, **options)

    return run_batch


def questions() -> list[str]:
    return [record["question"] for record in read_journal(Path("r.jsonl"))]


def words_of(finished: Finished) -> str:
    return " ".join(finished.stderr.split())


@pytest.mark.parametrize("flags", [[], ["--dry-run"], ["--report", "r.html"]])
def test_another_question_is_refused(batch: Batch, engine: FakeEngine, flags: list[str]) -> None:
    assert batch("--question", "A?").code == 0
    Path("r.html").write_text("mine")
    before, asked = Path("r.jsonl").read_bytes(), list(engine.batches)
    refused = batch("--question", "B?", *flags)
    assert refused.code == 3
    assert refused.stdout == ""
    (line,) = refused.stderr.splitlines()
    assert line == (
        'error: r.jsonl already answers 0.png with the question "A?", but this run has the question'
        ' "B?" (3 rows differ): give another --out, add --append to keep both answers, or add'
        " --force to replace the earlier ones"
    )
    assert Path("r.jsonl").read_bytes() == before
    assert engine.batches == asked


def test_each_way_out_works(batch: Batch, engine: FakeEngine) -> None:
    batch("--question", "A?")
    appended = batch("--question", "B?", "--append")
    assert appended.code == 0
    assert "3 answered 3 kept (another question, image or settings)" in words_of(appended)
    assert questions() == ["A?", "B?"] * 3
    asked = list(engine.batches)
    for flags in (["--append"], []):
        again = batch("--question", "B?", *flags)
        assert again.code == 0
        assert "0 answered 3 kept from an earlier run" in words_of(again)
    assert engine.batches == asked
    forced = batch("--question", "C?", "--force")
    assert forced.code == 0
    assert "note: 3 earlier answers replaced: --force" in forced.stderr
    assert questions() == ["C?", "B?"] * 3
    assert batch("--question", "D?", "--fresh", "--force").code == 0
    assert questions() == ["D?"] * 3


@pytest.mark.parametrize("flags", [[], ["--append"], ["--dry-run"]])
def test_joined_files_lose_no_answer(batch: Batch, flags: list[str]) -> None:
    """`cat a.jsonl b.jsonl` gives two answers with one id, of which a run keeps one."""
    out = Path("r.jsonl")
    batch("--question", "A?")
    first = out.read_bytes()
    batch("--question", "B?", "--fresh", "--force")
    joined = first + out.read_bytes()
    out.write_bytes(joined)
    refused = batch("--question", "B?", *flags)
    assert refused.code == 3
    assert refused.stderr == (
        'error: r.jsonl has two answers with the id 0.png, with the question "A?" and with the'
        ' question "B?", and a run keeps one for each id: give another --out, or add --force to'
        " keep the later ones\n"
    )
    assert out.read_bytes() == joined
    assert batch("--question", "B?", "--force").code == 0
    assert questions() == ["B?"] * 3


def test_a_corrected_label_reaches_the_records(batch: Batch, engine: FakeEngine) -> None:
    rows = Path("rows.jsonl")
    rows.write_text('{"image": "images/0.png", "label": "dig", "note": "x"}\n')
    assert batch(source="rows.jsonl").code == 0
    (before,) = read_journal(Path("r.jsonl"))
    asked = list(engine.batches)
    rows.write_text('{"image": "images/0.png", "label": "dog"}\n')
    again = batch(source="rows.jsonl")
    assert "0 answered 1 kept from an earlier run" in words_of(again)
    assert "replaced" not in again.stderr
    assert engine.batches == asked
    (after,) = read_journal(Path("r.jsonl"))
    assert after == {**before, "extra": {"label": "dog", "note": "x"}}


def test_append_and_fresh_exclude_each_other(batch: Batch) -> None:
    batch()
    refused = batch("--append", "--fresh", "--force")
    assert refused.code == 2
    assert "--append keeps the earlier answers and --fresh drops them" in refused.stderr
    assert len(questions()) == 3


def test_a_dry_run_shows_the_ids_of_appended_rows(batch: Batch) -> None:
    batch("--question", "A?")
    shown = batch("--question", "B?", "--append", "--dry-run")
    assert shown.stdout.splitlines()[0] == "would ask\t0.png~2\tB?"


def test_more_images_and_changed_ones_go_on(batch: Batch, images: Path) -> None:
    batch("--question", "A?")
    Image.new("RGB", (9, 9), "red").save(images / "1.png")
    Image.new("RGB", (9, 9), "blue").save(images / "7.png")
    shown = batch("--question", "A?", "--dry-run")
    states = [line.partition("\t")[0] for line in shown.stdout.splitlines()]
    assert states == ["kept", "would replace", "kept", "would ask"]
    assert "2 kept, 1 would replace, 1 would ask" in shown.stderr
    finished = batch("--question", "A?")
    assert finished.code == 0
    assert "2 answered 2 kept from an earlier run" in words_of(finished)
    assert (
        "note: 1 earlier answer replaced: the content of the image has changed" in finished.stderr
    )
    assert len(questions()) == 4


def test_standard_input_is_checked_row_by_row(batch: Batch) -> None:
    rows = b'{"image": "images/0.png"}\n{"image": "images/1.png"}\n'
    assert batch("--question", "A?", source="-", stdin=rows).code == 0
    refused = batch("--question", "B?", source="-", stdin=rows)
    assert refused.code == 3
    assert 'already answers images/0.png with the question "A?"' in refused.stderr
    assert questions() == ["A?", "A?"]
    Path("r.html").write_text("mine")
    page = batch("--question", "A?", "--report", "r.html", source="-", stdin=rows)
    assert "are kept" not in page.stderr, "--force may replace answers of rows that come later"


def test_force_for_the_page_keeps_the_answers_as_the_error_says(batch: Batch) -> None:
    batch("--question", "A?", "--report", "r.html")
    before = Path("r.jsonl").read_bytes()
    Path("r.html").write_text("mine")
    refused = batch("--question", "A?", "--report", "r.html")
    assert "add --force to overwrite the page (answers in r.jsonl are kept)" in refused.stderr
    assert Path("r.html").read_text() == "mine"
    assert batch("--question", "A?", "--report", "r.html", "--force").code == 0
    assert Path("r.jsonl").read_bytes() == before


def test_several_sources_and_patterns(batch: Batch, run: Run) -> None:
    words = ("batch", "images/0.png", "images/[12].*", "--out", "r.jsonl", "--model", "tiny")
    assert run(*words).code == 0
    assert list(read_answers(Path("r.jsonl"))) == ["images/0.png", "images/1.png", "images/2.png"]
    for source, advice in (("image", "did you mean images?"), ("what is it", "with --question")):
        refused = run(*words, source)
        assert refused.code == 3
        assert advice in refused.stderr
    marked = run(*words, "images", "--save-marked", "images/marked")
    assert marked.code == 2
    assert run("batch", "images", "r.jsonl", "--out", "r.jsonl").code == 2, "r.jsonl is a source"


# --- the end of a run ------------------------------------------------------------------------


def test_failures_are_grouped_and_the_last_line_retries_them(batch: Batch, images: Path) -> None:
    for name in ("a", "b", "c"):
        (images / f"{name}.png").write_bytes(b"")
    (images / "d.png").write_text("text")
    finished = batch("--question", "what's up?")
    assert finished.code == 6
    lines = finished.stderr.splitlines()
    assert lines[-3].startswith("3 rows failed, for example a.png: images/a.png is empty: expected")
    assert lines[-2].startswith("1 row failed: d.png: images/d.png is not an image: expected")
    advice, _, command = lines[-1].partition(": ")
    assert advice == "to ask only the failed rows again"
    assert shlex.split(command) == [
        "vipllava", "batch", "images", "--out", "r.jsonl", "--model", "tiny",
        "--question", "what's up?",
    ]  # fmt: skip
    for name in ("a", "b", "c", "d"):
        Image.new("RGB", (9, 9), (len(name), ord(name), 0)).save(images / f"{name}.png")
    again = batch(*shlex.split(command)[7:])
    assert "4 answered 3 kept" in words_of(again)


def test_the_last_line_says_what_a_pipe_needs_and_how_to_resume(batch: Batch, images: Path) -> None:
    rows = b'{"image": "images/0.png"}\n{"image": "images/gone.png"}\n'
    piped = batch(source="-", stdin=rows)
    assert piped.code == 6
    assert piped.stderr.splitlines()[-1] == (
        "to ask only the failed rows again, with the same rows on its input: vipllava batch - --out"
        " r.jsonl --model tiny"
    )
    (images / "a.png").write_bytes(b"")
    stopped = batch("--fail-fast", "--fresh", "--force")
    assert stopped.code == 6
    assert stopped.stderr.splitlines()[-1] == (
        "stopped early; to resume: vipllava batch images --out r.jsonl --model tiny"
        " --fail-fast --force"
    )


def test_a_fresh_run_that_stops_before_its_first_answer_starts_over_again(
    batch: Batch, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch()
    before = Path("r.jsonl").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(engine, "max_batch_size", lambda: signal.raise_signal(signal.SIGINT))
        stopped = batch("--fresh", "--force")
    assert stopped.code == 130
    assert Path("r.jsonl").read_bytes() == before
    command = stopped.stderr.splitlines()[-1].partition(": ")[2]
    assert command == "vipllava batch images --out r.jsonl --model tiny --fresh --force"


def test_many_reasons_are_cut_with_a_count(batch: Batch, images: Path) -> None:
    rows = [{"image": "images/0.png", "question": f"is {{{n}}} it?"} for n in range(2, 10)]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    finished = batch(source="rows.jsonl")
    lines = finished.stderr.splitlines()
    assert sum("1 row failed: images/0.png" in line for line in lines) == 5
    assert lines[-2] == "3 other rows failed for other reasons: see `error` in r.jsonl"


@pytest.mark.parametrize(
    ("arguments", "fresh", "expected"),
    [
        (["--fresh", "--force"], True, "vipllava batch --force"),
        (["--question", "--fresh"], False, "vipllava batch --question --fresh"),
        (["--force", "--report", "p.html", "x"], False, "vipllava batch --force --report p.html x"),
        (["--report", "p.html", "x"], False, "vipllava batch x; PAGE"),
        (["x", "--report=p.html"], False, "vipllava batch x; PAGE"),
        (["--fresh", "x", "--report", "p.html"], True, "vipllava batch x; PAGE"),
        (
            ["--question", "p.html", "--report", "p.html"],
            False,
            "vipllava batch --question p.html; PAGE",
        ),
    ],
)
def test_the_next_command_neither_starts_over_nor_stops_at_its_page(
    arguments: list[str], fresh: bool, expected: str
) -> None:
    page = "p.html" if any("p.html" in word for word in arguments) else None
    command = retry_command(
        ["vipllava", "batch", *arguments], fresh=fresh, out="a b.csv", page=page
    )
    assert command == expected.replace("PAGE", "vipllava report 'a b.csv' -o p.html --force")
    assert batch_command(["vipllava", "batch", "x"], fresh=fresh) == "vipllava batch x"


def test_the_second_command_after_failures_takes_a_name_with_a_hyphen(
    images: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (images / "bad.png").write_bytes(b"")
    words = ["batch", "images", "--out=./-r.jsonl", "--model", "tiny", "--report", "r.html"]
    monkeypatch.setattr(sys, "argv", ["vipllava", *words])
    *_, command = run(*words).stderr.splitlines()[-1].split("; ")
    Path("r.html").write_text("old")
    assert run(*shlex.split(command)[1:]).code == 0
    assert "bad.png" in Path("r.html").read_text()


def test_the_command_after_failures_keeps_an_edited_table(
    images: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (images / "bad.png").write_bytes(b"")
    words = ["batch", "images", "--out", "r.csv", "--model", "tiny", "--report", "r.html"]
    monkeypatch.setattr(sys, "argv", ["vipllava", *words])
    finished = run(*words)
    advice, _, commands = finished.stderr.splitlines()[-1].partition(": ")
    assert advice == "to ask only the failed rows again"
    again, page = (shlex.split(command)[1:] for command in commands.split("; "))
    made = Path("r.csv").read_bytes()
    Path("r.csv").write_bytes(made.replace(b"0.png", b"zero", 1))
    refused = run(*again)
    assert refused.code == 3
    assert "r.csv was edited" in refused.stderr
    Path("r.csv").write_bytes(made)
    Image.new("RGB", (9, 9), "red").save(images / "bad.png")
    assert run(*again).code == 0
    assert run(*page).code == 0
    assert all(row["answer"] for row in read_journal(Path("r.csv.jsonl")))
    assert "is empty" not in Path("r.html").read_text()


@pytest.mark.skipif(sys.platform == "win32", reason="the command is for POSIX shells")
def test_a_shell_reads_every_word_of_the_command(tmp_path: Path) -> None:
    words = [
        "it's",
        "two  spaces",
        "line\nbreak",
        "\x1b[31m\\",
        "tab\tand 'quotes'",
        "ä$`!*",
        "\udce9",
    ]
    program = tmp_path / "my program"
    program.write_text("#!/bin/sh\n")
    command = batch_command([str(program), "batch", *words], fresh=False)
    assert command.isprintable()
    shown = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {command}"], capture_output=True, check=True
    )
    expected = [str(program), "batch", *words]
    assert [word.decode("utf-8", "surrogateescape") for word in shown.stdout.split(b"\0")] == [
        *expected,
        "",
    ]


def test_a_module_run_names_the_interpreter(tmp_path: Path) -> None:
    module = str(ROOT / "vipllava_cli" / "__main__.py")
    command = batch_command([module, "batch", "x"], fresh=False)
    assert command == f"{shlex.quote(sys.executable)} -m vipllava_cli batch x"


# --- tables ----------------------------------------------------------------------------------


def test_a_table_has_the_label_and_leads_report_and_compare_to_its_records(
    batch: Batch, run: Run
) -> None:
    rows = [
        {"image": f"images/{n}.png", "label": label, "size": n, "question": "{label}?"}
        for n, label in enumerate(("dog", "cat", "cow"))
    ]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for out in ("r.csv", "s.parquet"):
        assert run("batch", "rows.jsonl", "--out", out, "--model", "tiny").code == 0
    header, first, *_ = Path("r.csv").read_text().splitlines()
    assert header.startswith("id,image,question,answer,finish_reason,error_type,error,label,size,")
    assert ",dog,0," in first
    Path("r.csv").write_text("id,image\nedited,by hand\n")
    report = run("report", "r.csv")
    assert report.code == 0
    assert "note: r.csv is a table: the page shows the records in r.csv.jsonl" in report.stderr
    assert len(blocks(Path("r.html"))["data"]["rows"]) == 3
    compared = json.loads(run("compare", "r.csv", "s.parquet", "--json").stdout)
    assert compared["rows"] == 3
    for command in (("report", "r.csv"), ("compare", "r.csv", "s.parquet")):
        for out in ("r.csv", "r.csv.jsonl"):
            assert run(*command, "-o", out, "--force").code == 2, "it would replace the results"
    Path("r.csv.jsonl").unlink()
    lost = run("report", "r.csv", "--force")
    assert lost.code == 3
    assert "its records r.csv.jsonl are not beside it" in lost.stderr


def test_an_edited_table_is_replaced_only_with_force(run: Run, images: Path) -> None:
    command = ("batch", "images", "--out", "r.csv", "--model", "tiny", "-q")
    table = Path("r.csv")
    assert run(*command).code == 0
    made = table.read_bytes()
    assert run(*command).code == 0, "the table is as the run wrote it"
    table.write_bytes(made.replace(b"0.png", b"zero", 1))
    edited = table.read_bytes()
    refused = run(*command)
    assert refused.code == 3
    assert "r.csv was edited after the run that wrote it" in refused.stderr
    assert "(answers in r.csv.jsonl are kept)" in refused.stderr
    assert table.read_bytes() == edited
    assert run(*command, "--force").code == 0
    assert table.read_bytes() == made


def test_a_table_of_an_unfinished_run_is_replaced(run: Run, images: Path) -> None:
    command = ("batch", "images", "--out", "r.csv", "--model", "tiny", "-q")
    assert run(*command).code == 0
    made = Path("r.csv").read_bytes()
    Image.new("RGB", (9, 9), "red").save(images / "9.png")
    (images / "bad.png").write_bytes(b"")
    assert run(*command, "--fail-fast").code == 6, "it stops before it writes the table"
    assert Path("r.csv").read_bytes() == made
    (images / "bad.png").unlink()
    assert run(*command).code == 0
    assert Path("r.csv").read_text().count(".png,images") == 4


def test_appended_rows_have_marked_images_of_their_own(batch: Batch) -> None:
    for flags in (["--box", "1,1,9,9"], ["--box", "1,1,20,20", "--append"]):
        assert batch(*flags, "--save-marked", "marked", "--question", "a?").code == 0
    names = {f"{n}.png{variant}.png" for n in range(3) for variant in ("", "~2")}
    assert {path.name for path in Path("marked").iterdir()} == names
    one, two = Path("marked/0.png.png"), Path("marked/0.png~2.png")
    assert one.read_bytes() != two.read_bytes()
