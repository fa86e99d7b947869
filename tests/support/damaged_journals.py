"""Damage journals at random and let runs continue them. The same seed, the same damage.

python -m tests.support.damaged_journals --count 1000 --seed 2
"""

import argparse
import json
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from PIL import Image

from tests.support.batch import TASK, run_over
from tests.support.fake_engine import FakeEngine
from vipllava_cli.errors import VipllavaError
from vipllava_cli.sources.rows import Row
from vipllava_cli.storage.journal import read_journal
from vipllava_cli.storage.record_lines import encode_line

MAX_SECONDS = 5.0  # of CPU time for a run
MAX_MESSAGE = 1000  # characters
NUM_ROWS = 12
FAILED_ROW = 5  # its image does not exist

Lines = list[bytes]
Damage = Callable[[Lines, Random], bytes]


@dataclass(frozen=True)
class Fault:
    """What a damaged journal does that it must not."""

    kind: str
    seed: int
    number: int
    what: str


@dataclass
class AskedEngine(FakeEngine):
    """Keeps the questions that are asked."""

    asked: list[str] = field(default_factory=list)

    def answer_batch(self, prompts: Any, options: Any = None) -> Any:
        self.asked += [bytes(prompt.ids).decode() for prompt in prompts]
        return super().answer_batch(prompts)


@dataclass(frozen=True)
class Base:
    """The rows of a run, and the lines of its undamaged journal, each with its end."""

    rows: Sequence[Row]
    lines: Sequence[bytes]


def make_base(folder: Path) -> Base:
    """Answer rows with questions of their own, two of them on each image."""
    rows = []
    for number in range(NUM_ROWS):
        image = folder / f"{number // 2}.png"
        if number == FAILED_ROW:
            image = folder / "none.png"
        elif not image.exists():
            pixels = np.full((8, 8, 3), number * 9, np.uint8)
            Image.fromarray(pixels).save(image)
        question = (f"question {number} \u00e9?",)
        rows.append(Row(f"row {number}", str(image), questions=question, extra={"n": number}))
    out = folder / "base.jsonl"
    run_over(rows, out, FakeEngine(), batch_size=4)
    return Base(rows, out.read_bytes().splitlines(keepends=True))


# --- bytes -----------------------------------------------------------------------------------


def _at(data: bytes, rng: Random) -> int:
    return rng.randrange(len(data) + 1)


def cut(lines: Lines, rng: Random) -> bytes:
    data = b"".join(lines)
    return data[: _at(data, rng)]


def lost_head(lines: Lines, rng: Random) -> bytes:
    data = b"".join(lines)
    return data[_at(data, rng) :]


def no_last_line_end(lines: Lines, rng: Random) -> bytes:
    return b"".join(lines[: rng.randrange(1, len(lines) + 1)])[:-1]


def _flip(data: bytes, count: int, rng: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(count):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def flipped_bit(lines: Lines, rng: Random) -> bytes:
    return _flip(b"".join(lines), 1, rng)


def flipped_bits(lines: Lines, rng: Random) -> bytes:
    return _flip(b"".join(lines), rng.choice((2, 5, 40)), rng)


def flipped_line_end(lines: Lines, rng: Random) -> bytes:
    number = rng.randrange(len(lines))
    ended = bytes([10 ^ 1 << rng.randrange(8)])
    return b"".join([*lines[:number], lines[number][:-1] + ended, *lines[number + 1 :]])


def nul_tail(lines: Lines, rng: Random) -> bytes:
    data = b"".join(lines)
    return data[: _at(data, rng)] + bytes(rng.choice((1, 7, 511, 4096, 70_000)))


def nul_tail_after_a_line(lines: Lines, rng: Random) -> bytes:
    return b"".join(lines[: rng.randrange(len(lines))]) + bytes(rng.choice((1, 2048, 4096)))


def zeros_in_the_middle(lines: Lines, rng: Random) -> bytes:
    data = b"".join(lines)
    start, length = _at(data, rng), rng.choice((1, 30, 512, 2048))
    return data[:start] + bytes(len(data[start : start + length])) + data[start + length :]


def zeros_then_more_records(lines: Lines, rng: Random) -> bytes:
    """Return what a run leaves that went on after a power cut."""
    number = rng.randrange(1, len(lines))
    return b"".join(lines[:number]) + bytes(rng.choice((3, 2048))) + b"".join(lines[number:])


def only_zeros(lines: Lines, rng: Random) -> bytes:
    return bytes(rng.choice((1, 100, 4096)))


def noise(lines: Lines, rng: Random) -> bytes:
    data = b"".join(lines)
    start = _at(data, rng)
    return data[:start] + rng.randbytes(rng.randrange(1, 600)) + data[start:]


def removed_span(lines: Lines, rng: Random) -> bytes:
    data = b"".join(lines)
    start = _at(data, rng)
    return data[:start] + data[start + rng.randrange(1, 900) :]


def repeated_span(lines: Lines, rng: Random) -> bytes:
    data = b"".join(lines)
    start = _at(data, rng)
    span = data[start : start + rng.randrange(1, 900)]
    return data[:start] + span + data[start:]


def utf16(lines: Lines, rng: Random) -> bytes:
    return b"".join(lines).decode().encode(rng.choice(("utf-16", "utf-16-be", "utf-32")))


# --- lines -----------------------------------------------------------------------------------


def lost_lines(lines: Lines, rng: Random) -> bytes:
    return b"".join(line for line in lines if rng.random() < 0.6)


def doubled_line(lines: Lines, rng: Random) -> bytes:
    lines.insert(rng.randrange(len(lines) + 1), rng.choice(lines))
    return b"".join(lines)


def doubled_file(lines: Lines, rng: Random) -> bytes:
    return b"".join(lines * rng.choice((2, 3)))


def swapped_lines(lines: Lines, rng: Random) -> bytes:
    one, two = rng.sample(range(len(lines)), 2)
    lines[one], lines[two] = lines[two], lines[one]
    return b"".join(lines)


def shuffled_lines(lines: Lines, rng: Random) -> bytes:
    rng.shuffle(lines)
    return b"".join(lines)


def joined_lines(lines: Lines, rng: Random) -> bytes:
    return b"".join(line if rng.random() < 0.5 else line.rstrip(b"\n") for line in lines)


def failure_after_its_answer(lines: Lines, rng: Random) -> bytes:
    row = _row(rng.choice([line for line in lines if _row(line)["error"] is None]))
    row["key"] = rng.choice(("", row["key"]))
    row |= {"answer": None, "error": {"type": "GenerationError", "message": "failed"}}
    return b"".join([*lines, encode_line(row)])


def bom(lines: Lines, rng: Random) -> bytes:
    return b"\xef\xbb\xbf" + b"".join(lines)


def bom_of_a_joined_file(lines: Lines, rng: Random) -> bytes:
    lines.insert(number := rng.randrange(len(lines)), b"\xef\xbb\xbf" + lines.pop(number))
    return b"".join(lines)


def crlf(lines: Lines, rng: Random) -> bytes:
    return b"".join(lines).replace(b"\n", b"\r\n")


def cr(lines: Lines, rng: Random) -> bytes:
    return b"".join(lines).replace(b"\n", b"\r")


def blank_lines(lines: Lines, rng: Random) -> bytes:
    for _ in range(5):
        lines.insert(rng.randrange(len(lines) + 1), rng.choice((b"\n", b" \t\r\n", b"\n\n")))
    return b"".join(lines)


FOREIGN: tuple[bytes, ...] = (
    b"hello",
    b"[1, 2]",
    b"null",
    b"{}",
    b'{"schema": 1}',
    b'{"id": "row 1", "image": "a.png"}',
    b'{"schema": 1, "id": "g", "key": "k", "judge": "j", "score": 0.5, "error": null}',
    b'{"schema": 1, "id": "g", "key": "k", "judge": "j", "score": "x", "error": null}',
    b"<<<<<<< HEAD",
    b"\x89PNG\r\n\x1a\n\x00\x01",
    b"\xff\xfe\x00",
    b"id,image,question",
    b"2026-01-01 ERROR disk",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"1" * 100_000,
    b"[{},[],{},[]" * 5000,
    b"1e400",
    b"NaN",
    b'{"schema": 1, "id": "',
)


def foreign_lines(lines: Lines, rng: Random) -> bytes:
    for _ in range(rng.choice((1, 1, 3, 20))):
        lines.insert(rng.randrange(len(lines) + 1), rng.choice(FOREIGN) + b"\n")
    return b"".join(lines)


def foreign_bytes_around_records(lines: Lines, rng: Random) -> bytes:
    """Return lines with a text before or after a record, as programs that write to one file leave it."""
    number, text = rng.randrange(len(lines)), rng.choice(FOREIGN)
    before = text + lines[number]
    after = lines[number].rstrip(b"\n") + text + b"\n"
    return b"".join([*lines[:number], rng.choice((before, after)), *lines[number + 1 :]])


def only_foreign_lines(lines: Lines, rng: Random) -> bytes:
    return b"".join(rng.choice(FOREIGN) + b"\n" for _ in range(rng.randrange(1, 5)))


# --- fields ----------------------------------------------------------------------------------


def _row(line: bytes) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(line)
    row.pop("crc", None)
    return row


def _plain(row: Mapping[str, Any]) -> bytes:
    return json.dumps(row).encode() + b"\n"


def _change_row(lines: Lines, rng: Random, change: Callable[[dict[str, Any]], object]) -> bytes:
    """Change a row, which keeps no checksum or gets a valid one."""
    number = rng.randrange(len(lines))
    row = _row(lines[number])
    change(row)
    lines[number] = rng.choice((_plain, encode_line))(row)
    return b"".join(lines)


WRONG_VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    10**400,
    1.5,
    float("nan"),
    "",
    "text",
    "~" + "9" * 5000,
    "\ud800",
    "a\x1b]0;x\x07b\u202e",
    [],
    ["x"],
    [[[1]]],
    [{"shape": 5, "coords": "x"}],
    {},
    {"a": [1]},
    {"type": 5, "message": [1]},
)


def wrong_value(lines: Lines, rng: Random) -> bytes:
    def change(row: dict[str, Any]) -> None:
        row[rng.choice(list(row))] = rng.choice(WRONG_VALUES)

    return _change_row(lines, rng, change)


def wrong_values(lines: Lines, rng: Random) -> bytes:
    def change(row: dict[str, Any]) -> None:
        for name in rng.sample(list(row), 5):
            row[name] = rng.choice(WRONG_VALUES)

    return _change_row(lines, rng, change)


def wrong_inner_value(lines: Lines, rng: Random) -> bytes:
    def change(row: dict[str, Any]) -> None:
        row["options"] |= {rng.choice(("choices", "fields", "seed")): rng.choice(WRONG_VALUES)}
        row["extra"] |= {"label": rng.choice(WRONG_VALUES)}
        row["marks"] = [{"shape": rng.choice(WRONG_VALUES), "coords": rng.choice(WRONG_VALUES)}]

    return _change_row(lines, rng, change)


def missing_field(lines: Lines, rng: Random) -> bytes:
    return _change_row(lines, rng, lambda row: row.pop(rng.choice(list(row))))


def list_as_id(lines: Lines, rng: Random) -> bytes:
    return _change_row(lines, rng, lambda row: row.update(id=["row 1"]))


def odd_image(lines: Lines, rng: Random) -> bytes:
    names = (
        "",
        "#frame=0",
        "a#frame=" + "9" * 5000,
        "http://[::1",
        "\0",
        "data:,x",
        "clipboard:",
        "-",
    )
    return _change_row(lines, rng, lambda row: row.update(image=rng.choice(names)))


def nested_extra(lines: Lines, rng: Random) -> bytes:
    number = rng.randrange(len(lines))
    depth = rng.choice((90, 200, 900, 980, 3000, 100_000))
    deep = b'{"a": ' * depth + b"1" + b"}" * depth
    line = _plain(_row(lines[number])).replace(b'"extra": {', b'"extra": {"deep": ' + deep + b", ")
    return b"".join([*lines[:number], line, *lines[number + 1 :]])


def wrong_checksum(lines: Lines, rng: Random) -> bytes:
    number = rng.randrange(len(lines))
    values = ('"00000000"', "0", "null", "[]", '"x"', "{}")
    line = lines[number][:-12] + rng.choice(values).encode() + b"}\n"
    return b"".join([*lines[:number], line, *lines[number + 1 :]])


def damaged_checksum_name(lines: Lines, rng: Random) -> bytes:
    """Return a record whose answer and whose checksum's name are damaged."""
    number = rng.randrange(len(lines))
    line = lines[number].replace(b'"crc"', b'"csc"').replace(b":question", b":quest1on")
    return b"".join([*lines[:number], line, *lines[number + 1 :]])


def newer_version(lines: Lines, rng: Random) -> bytes:
    rows = [{**_row(line), "schema": 2} for line in lines]
    return b"".join(map(rng.choice((_plain, encode_line)), rows))


def line_of_a_newer_version(lines: Lines, rng: Random) -> bytes:
    return _change_row(lines, rng, lambda row: row.update(schema=rng.choice((2, 3, 10**30))))


def old_version(lines: Lines, rng: Random) -> bytes:
    return b"".join(_plain(_row(line)) for line in lines)


def old_version_joined(lines: Lines, rng: Random) -> bytes:
    return joined_lines([_plain(_row(line)) for line in lines], rng)


def edited(lines: Lines, rng: Random) -> bytes:
    """Return what an editor or another program may write: the same values in another form."""
    rows = [json.loads(line) for line in lines]
    return "".join(
        json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows
    ).encode()


def other_question(lines: Lines, rng: Random) -> bytes:
    """Return two files in one: the same rows with another question."""
    others = [encode_line({**_row(line), "question": "why?", "key": "0" * 16}) for line in lines]
    return b"".join(rng.choice(([*lines, *others], [*others, *lines])))


def mixture(lines: Lines, rng: Random) -> bytes:
    data = b"".join(lines)
    for _ in range(rng.choice((2, 3, 5))):
        pieces = data.splitlines(keepends=True) or [b"\n"]
        data = rng.choice(MIXED)(pieces, rng) or b"\n"
    return data


MIXED: tuple[Damage, ...] = (
    cut,
    flipped_bit,
    flipped_line_end,
    nul_tail,
    zeros_in_the_middle,
    noise,
    removed_span,
    repeated_span,
    lost_lines,
    doubled_line,
    shuffled_lines,
    joined_lines,
    bom,
    crlf,
    blank_lines,
    foreign_lines,
)

DAMAGES: Mapping[str, Damage] = {
    each.__name__: each
    for each in (
        *MIXED,
        lost_head,
        no_last_line_end,
        flipped_bits,
        nul_tail_after_a_line,
        zeros_then_more_records,
        only_zeros,
        utf16,
        doubled_file,
        swapped_lines,
        failure_after_its_answer,
        bom_of_a_joined_file,
        cr,
        foreign_bytes_around_records,
        only_foreign_lines,
        wrong_value,
        wrong_values,
        wrong_inner_value,
        missing_field,
        list_as_id,
        odd_image,
        nested_extra,
        wrong_checksum,
        damaged_checksum_name,
        newer_version,
        line_of_a_newer_version,
        old_version,
        old_version_joined,
        edited,
        other_question,
        mixture,
    )
}

# A file of two runs or of a newer version is refused although it has valid records. So is one whose
# rows ask something else now: only the user can say which answers count.
MAY_REFUSE = {
    "other_question",
    "line_of_a_newer_version",
    "newer_version",
    "wrong_value",
    "wrong_values",
    "wrong_inner_value",
    "missing_field",
    "odd_image",
}


# --- runs ------------------------------------------------------------------------------------


def damaged_journal(base: Base, kind: str, seed: int, number: int) -> bytes:
    """Return one of the damaged journals."""
    return DAMAGES[kind](list(base.lines), Random(f"{kind}/{seed}/{number}"))


def find_faults(base: Base, kind: str, data: bytes, out: Path) -> Iterator[str]:
    """Continue a damaged journal, twice, and yield what is wrong."""
    out.write_bytes(data)
    engine = AskedEngine()
    start = time.process_time()
    try:
        run_over(base.rows, out, engine, TASK, batch_size=4)
    except VipllavaError as error:
        yield from _faults_of_refusal(base, kind, data, out, str(error))
        return
    finally:
        seconds = time.process_time() - start
        if seconds > MAX_SECONDS:
            yield f"took {seconds:.1f} seconds"
    yield from _faults_of_result(base, data, out, engine.asked)
    before = out.read_bytes()
    engine = AskedEngine()
    run_over(base.rows, out, engine, TASK, batch_size=4)
    if engine.asked:
        yield f"asks again: {engine.asked}"
    if out.read_bytes() != before:
        yield "the second run changes the file"


def _faults_of_refusal(
    base: Base, kind: str, data: bytes, out: Path, message: str
) -> Iterator[str]:
    if "\n" in message or not 10 < len(message) < MAX_MESSAGE:
        yield f"a message of {len(message)} characters: {message[:300]!r}"
    intact = [line.rstrip(b"\n") for line in base.lines if line.rstrip(b"\n") in data]
    if not all(line in out.read_bytes() for line in intact):
        yield "refuses the file and loses records"
    if intact and kind not in MAY_REFUSE:
        yield f"refuses a file with {len(intact)} good records: {message}"


def _faults_of_result(base: Base, data: bytes, out: Path, asked: list[str]) -> Iterator[str]:
    result = [line.rstrip(b"\r\n") for line in out.read_bytes().splitlines(keepends=True)]
    for row, line in zip(base.rows, base.lines, strict=True):
        record = line.rstrip(b"\n")
        if record not in data or not json.loads(record)["answer"]:
            continue
        if row.questions[0] in asked:
            yield f"asks {row.id!r} again, whose record is good"
        if record not in result:
            yield f"the good record of {row.id!r} is not in the result"
    doubled = [question for question, count in Counter(asked).items() if count > 1]
    if doubled:
        yield f"asks twice: {doubled}"
    ids = [record["id"] for record in read_journal(out)]
    own = [row.id for row in base.rows]
    if ids[: len(own)] != own or len(set(ids)) != len(ids):
        yield f"the rows of the result are {ids}"
    if len(ids) != len([line for line in result if line.strip()]):
        yield "the result has lines that are no records"
    copy = out.with_name(f"{out.name}.damaged")
    kept = copy.read_bytes() if copy.exists() else b""
    for line in data.split(b"\n"):
        if line.strip() and not _is_json(line) and line not in kept:
            yield f"the copy lacks a damaged line: {line[:100]!r}"


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    except RecursionError:
        return False
    return True


def find_all(base: Base, folder: Path, seed: int, numbers: Sequence[int]) -> Iterator[Fault]:
    """Continue damaged journals of all kinds in turn. Yield the faults."""
    kinds = list(DAMAGES)
    for number in numbers:
        kind = kinds[number % len(kinds)]
        out = folder / f"{zlib.crc32(f'{seed}/{number}'.encode()):08x}.jsonl"
        data = damaged_journal(base, kind, seed, number)
        try:
            faults = list(find_faults(base, kind, data, out))
        except Exception as error:
            faults = [f"{type(error).__name__}: {error}"]
        yield from (Fault(kind, seed, number, what) for what in faults)
        for path in folder.glob(f"{out.stem}.*"):
            path.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="damaged journals")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--number", type=int, help="only this one of them")
    given = parser.parse_args()
    numbers = range(given.count) if given.number is None else [given.number]
    with tempfile.TemporaryDirectory() as folder:
        base = make_base(Path(folder))
        for fault in find_all(base, Path(folder), given.seed, numbers):
            sys.stdout.write(json.dumps(vars(fault)) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
