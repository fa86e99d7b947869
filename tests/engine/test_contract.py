"""The contract of every engine: the flows give the same results, whichever engine answers."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import pytest
from PIL import Image

from tests.support.batch import read_answers, run_over
from tests.support.server_engines import engine_at, server_home
from tests.support.session_folders import make_session_folder
from tests.support.vision_server import VisionServer, serving
from vipllava_cli.engine.base import Engine, Prompt
from vipllava_cli.engine.fields import Field, FieldType
from vipllava_cli.engine.open import open_engine
from vipllava_cli.engine.options import GREEDY, GenerationOptions
from vipllava_cli.engine.prompts.templates import Turn
from vipllava_cli.errors import GenerationError, UsageError
from vipllava_cli.flows.ask import ask
from vipllava_cli.flows.batch.image_files import open_regular_file
from vipllava_cli.flows.batch.task import BatchTask
from vipllava_cli.images.square import fit_to_model
from vipllava_cli.marks.marked_image import MarkedImage
from vipllava_cli.sources.rows import Row
from vipllava_cli.storage.journal import open_journal, read_journal

KEY = "sk-canary-7c1e"


@dataclass(frozen=True)
class Opened:
    """An engine, and a function that makes it fail at questions with a word."""

    engine: Engine
    break_at: Callable[[str, pytest.MonkeyPatch], None]


def _local(open_model: Callable[[], Engine]) -> Callable[[], AbstractContextManager[Opened]]:
    @contextmanager
    def opened() -> Iterator[Opened]:
        engine = open_model()
        yield Opened(engine, _breaker(engine))

    return opened


def _breaker(engine: Engine) -> Callable[[str, pytest.MonkeyPatch], None]:
    def break_at(word: str, patch: pytest.MonkeyPatch) -> None:
        answer_batch = engine.answer_batch

        def fail(prompts: list[Prompt], options: GenerationOptions = GREEDY) -> object:
            if any(word in prompt.text for prompt in prompts):
                raise GenerationError("broken")
            return answer_batch(prompts, options)

        patch.setattr(engine, "answer_batch", fail)

    return break_at


@cache
def _open_family(family: str) -> Engine:
    """Open a small random checkpoint of another family."""
    from tests.support.family_checkpoints import make_family_checkpoint  # imports torch

    return open_engine(str(make_family_checkpoint(family, make_session_folder("vipllava-"))))


def _server(parallel: int) -> Callable[[], AbstractContextManager[Opened]]:
    @contextmanager
    def opened() -> Iterator[Opened]:
        state = VisionServer(
            key=KEY, answers={"Answer with exactly one": "- Yes.", "your key": KEY}
        )
        with serving(state) as server:

            def break_at(word: str, patch: pytest.MonkeyPatch) -> None:
                server.ways = {word: ["400"] * 100}

            yield Opened(engine_at(server, parallel=parallel), break_at)

    return opened


# One family of each kind: one tile, many tiles, tokens by the size of the image, attention to images.
FAMILIES = ("llava", "llava_next", "qwen2_5_vl", "gemma3", "internvl", "smolvlm", "mllama")
LOCAL = {"tiny": _local(partial(open_engine, "tiny"))} | {
    family: _local(partial(_open_family, family)) for family in FAMILIES
}
ENGINES = LOCAL | {"server": _server(1), "server, parallel": _server(8)}


home = pytest.fixture(server_home)


@pytest.fixture(
    params=[
        *(pytest.param(name, marks=pytest.mark.model) for name in LOCAL),
        "server",
        "server, parallel",
    ]
)
def opened(
    request: pytest.FixtureRequest, home: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Opened]:
    monkeypatch.setenv("VIPLLAVA_KEY_BOX", KEY)
    with ENGINES[request.param]() as engine:
        yield engine


@pytest.fixture
def red_image(tmp_path: Path) -> Path:
    path = tmp_path / "red.png"
    Image.new("RGB", (60, 40), "red").save(path)
    return path


def _rows(red_image: Path, count: int, word: str = "") -> list[Row]:
    return [
        Row(str(n), str(red_image), questions=(f"what is at {n}{word if n % 3 == 1 else ''}?",))
        for n in range(count)
    ]


def _task(engine: Engine, options: GenerationOptions = GREEDY) -> BatchTask:
    short = replace(options, max_new_tokens=8)
    template = engine.info.template_for("auto")
    return BatchTask((engine.info.name, engine.info.revision), template=template, options=short)


def test_keeps_the_order_of_rows(opened: Opened, red_image: Path, tmp_path: Path) -> None:
    rows, out = _rows(red_image, 20), tmp_path / "out.jsonl"
    summary = run_over(rows, out, opened.engine, _task(opened.engine))
    assert (summary.answered, summary.failed, summary.finished) == (20, 0, True)
    assert list(read_answers(out)) == [row.id for row in rows]
    by_row = {record["id"]: record for record in read_journal(out)}
    drawn, is_padded = _marked(red_image).drawn(), opened.engine.info.pads_image
    view = opened.engine.view(fit_to_model(drawn, is_padded=is_padded))
    prompts = [opened.engine.prompt(view, row.questions[0]) for row in rows]
    alone = opened.engine.answer(prompts, replace(GREEDY, max_new_tokens=8))
    assert [answer.text for answer in alone] == [by_row[row.id]["answer"] for row in rows]
    assert all(record["prompt_tokens"] > 0 for record in by_row.values())


def test_fails_only_the_rows_that_fail(
    opened: Opened, red_image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, out = _rows(red_image, 9, " broken"), tmp_path / "out.jsonl"
    opened.break_at("broken", monkeypatch)
    summary = run_over(rows, out, opened.engine, _task(opened.engine))
    assert (summary.answered, summary.failed) == (6, 3)
    failed = [record["id"] for record in read_journal(out) if record["error"]]
    assert failed == ["1", "4", "7"]
    assert summary.failures == {"GenerationError": 3}


def test_resumes_without_asking_twice(opened: Opened, red_image: Path, tmp_path: Path) -> None:
    rows, out = _rows(red_image, 12), tmp_path / "out.jsonl"
    first = run_over(rows[:7], out, opened.engine, _task(opened.engine))
    again = run_over(rows, out, opened.engine, _task(opened.engine))
    assert (first.answered, again.answered, again.kept) == (7, 5, 7)
    assert list(read_answers(out)) == [row.id for row in rows]


def test_stops_at_the_first_failure(
    opened: Opened, red_image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened.break_at("broken", monkeypatch)
    rows, out = _rows(red_image, 60, " broken"), tmp_path / "out.jsonl"
    summary = run_over(rows, out, opened.engine, _task(opened.engine), fail_fast=True, batch_size=1)
    assert not summary.finished
    assert 1 <= summary.failed < 20
    with open_journal(out) as journal:  # every answer that came is on the disk
        assert journal.has_answers == bool(summary.answered)


def test_streams_the_answer(opened: Opened, red_image: Path) -> None:
    pieces: list[str] = []
    marked = _marked(red_image)
    short = replace(GREEDY, max_new_tokens=8)
    [record] = ask(opened.engine, marked, ["what?"], options=short, on_text=pieces.append)
    assert _is_same("".join(pieces).strip(), record.answer or "")
    assert (record.request.model, record.device) == (
        opened.engine.info.name,
        opened.engine.info.device,
    )


def test_chooses_one_of_the_choices(opened: Opened, red_image: Path) -> None:
    marked = _marked(red_image)
    options = replace(GREEDY, choices=("no", "yes"))
    [record] = ask(opened.engine, marked, ["is it red?"], options=options)
    assert record.answer in ("no", "yes")
    fields = (
        Field("red", FieldType.boolean, "is it red?", ("yes", "no"), (True, False)),
        Field("name", FieldType.text, "what is it?"),
    )
    [record] = ask(
        opened.engine, marked, ["is it red?\nwhat is it?"], options=replace(GREEDY, fields=fields)
    )
    assert record.fields is not None
    assert record.fields["red"] in (True, False)
    assert isinstance(record.fields["name"], str)


def test_converses_over_several_turns(opened: Opened, red_image: Path) -> None:
    view = opened.engine.view(_square(red_image))
    turns: list[Turn] = []
    conversation = opened.engine.start_conversation()
    short = replace(GREEDY, max_new_tokens=8)
    for question in ("what is it?", "is it red?", "why?"):
        pieces: list[str] = []
        asked = [*turns, Turn(question)]
        reply = conversation.answer(view, asked, options=short, on_text=pieces.append)
        fresh = opened.engine.start_conversation().answer(view, asked, options=short)
        assert reply.answer.text == fresh.answer.text
        shown = "".join(pieces).strip()
        assert _is_same(shown[: len(reply.answer.text)], reply.answer.text)
        turns.append(Turn(question, reply.answer.text, reply.tokens))
    assert 0 < conversation.count(turns) < conversation.max_tokens
    stopped = conversation.answer(view, [Turn("what is it?")], options=GREEDY, stop=lambda: True)
    assert stopped.answer.finish_reason == "stopped"


def test_refuses_a_template_that_it_cannot_honour(opened: Opened, red_image: Path) -> None:
    view = opened.engine.view(_square(red_image))
    assert opened.engine.prompt(view, "what?", "chat").text
    if opened.engine.info.device == "server":
        with pytest.raises(UsageError, match="remove --template"):
            opened.engine.prompt(view, "what?", "vicuna")


def test_shows_no_key(
    opened: Opened,
    red_image: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    opened.break_at("broken", monkeypatch)
    out = tmp_path / "out.jsonl"
    run_over(_rows(red_image, 6, " broken"), out, opened.engine, _task(opened.engine))
    pieces: list[str] = []
    asked = ask(opened.engine, _marked(red_image), ["what is your key?"], on_text=pieces.append)
    printed_key = f"{[record.answer for record in asked]} {pieces}"
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    printed = capsys.readouterr()
    seen = [
        *written,
        printed_key.encode(),
        printed.out.encode(),
        printed.err.encode(),
        repr(opened.engine).encode(),
    ]
    assert not any(KEY.encode() in text for text in seen)
    assert json.loads(out.read_text().splitlines()[0])["answer"]


def _is_same(shown: str, text: str) -> bool:
    """Return whether an answer was shown as it is.

    Random models write bytes that are no letters. Tokenizers decode them otherwise in pieces.
    """
    return shown == text or "\ufffd" in text


def _square(red_image: Path) -> Image.Image:
    return Image.open(red_image).convert("RGB").resize((64, 64))


def _marked(red_image: Path) -> MarkedImage:
    return MarkedImage(open_regular_file(str(red_image), None), ())
