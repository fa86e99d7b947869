"""Read randomly damaged sources as `batch --dry-run` does, and list what goes wrong.

    python -m tests.support.damaged_sources --count 2000 --seed 1 --reader coco

prints one line of JSON for each fault. `--keep DIR` keeps the damaged files of the faults.
"""

import argparse
import json
import math
import resource
import shutil
import signal
import sys
import tempfile
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from random import Random

from tests.support.damage import damage
from tests.support.damaged_cases import Write, case_writers
from tests.support.damaged_images import image_faults, undamaged_images
from tests.support.scene_formats.scenes import SceneImage, scene_set, select
from tests.support.scene_formats.writers import MASK_WRITERS, WRITERS, Writer
from tests.support.scene_formats.written import Written
from vipllava_cli.cli.terminal.messages import one_line
from vipllava_cli.errors import VipllavaError
from vipllava_cli.flows.batch.plan import PlannedRow, plan_all
from vipllava_cli.flows.batch.task import BatchTask
from vipllava_cli.marks.types import Mark
from vipllava_cli.sources.formats import SourceFormat
from vipllava_cli.sources.open import read_sources
from vipllava_cli.sources.read_options import ReadOptions
from vipllava_cli.storage.journal import Journal, open_journal

MAX_MESSAGE = 1200  # characters: some messages list folders
MAX_SECONDS = 5  # of CPU time for one file
MAX_MEMORY = 500 * 2**20
MAX_DRAWN = 2  # rows of a file whose marks are drawn too

_TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # characters that turn text
_IMAGES = (".jpg", ".jpeg", ".png")
_QUESTIONS = ((), ("What is {1}?",), ("Is {1} a {label}?",))

IMAGES = "images"  # in the place of a reader: damaged images

READERS = tuple(each.value for each in SourceFormat if each not in ("auto", "folder"))


@dataclass(frozen=True)
class Fault:
    """What went wrong with a damaged file: the `number`-th of a reader and a seed."""

    reader: str
    seed: int
    number: int
    file: str
    what: str


class TooSlowError(BaseException):
    """A file took more than MAX_SECONDS. No reader catches it."""


# --- sources ---------------------------------------------------------------------------------


def _undamaged(reader: str) -> list[Write]:
    """List what writes the undamaged sources of a reader."""
    images = scene_set()[4:7]
    writes: list[Write] = [
        partial(_write_scenes, writer, select(images, writer.kinds))
        for writer in (*WRITERS, *MASK_WRITERS)
        if writer.format == reader
    ]
    return [*writes, *case_writers(reader)]


def _write_scenes(writer: Writer, images: Sequence[SceneImage], folder: Path) -> Written:
    return writer.write(folder, images)


def _texts(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not path.name.lower().endswith(_IMAGES)
    )


# --- one damaged file ------------------------------------------------------------------------


def faults_of(
    written: Written, format: SourceFormat, journal: Journal, rng: Random
) -> Iterator[str]:
    """Read a source as `batch --dry-run` does. Yields what goes wrong, at most once of each kind."""
    task = BatchTask(("tiny", "1"), rng.choice(_QUESTIONS))
    options = ReadOptions(coco=str(written.coco) if written.coco else None)
    drawn = 0
    try:
        source = read_sources([str(written.source)], format=format, options=options)
        for note in source.notes:
            yield from _text_faults("a note", note)
        for planned in plan_all(source, task, journal):
            yield from _row_faults(planned)
            if planned.marked_image and planned.marked_image.marks and drawn < MAX_DRAWN:
                drawn += 1
                planned.marked_image.drawn()
    except VipllavaError as error:
        yield from _text_faults("an error", str(error))


def _row_faults(planned: PlannedRow) -> Iterator[str]:
    for note in planned.notes:
        yield from _text_faults("a note of a row", note)
    for question in planned.questions:
        if isinstance(question.error, VipllavaError):
            yield from _text_faults("an error of a row", str(question.error))
        elif question.error:
            yield f"a row raises {type(question.error).__name__}: {question.error}"
        try:
            json.dumps(dict(question.request.extra), allow_nan=False)
        except ValueError as error:
            yield f"no record can hold the row: {error}"
    if planned.marked_image:
        width, height = planned.marked_image.file.size
        for mark in planned.marked_image.marks:
            yield from _mark_faults(mark, width, height)


def _mark_faults(mark: Mark, width: int, height: int) -> Iterator[str]:
    if not all(math.isfinite(value) for part in mark.parts for point in part for value in point):
        yield "a mark has coordinates that are not finite"
        return
    left, top, right, bottom = mark.bounds
    if right < 0 or bottom < 0 or left > width or top > height:
        yield "a mark lies outside the image"


def _text_faults(what: str, text: str) -> Iterator[str]:
    shown = one_line(text)
    if len(shown) > MAX_MESSAGE:
        yield f"{what} has {len(shown)} characters: {shown[:100]}…{shown[-60:]}"
    elif not shown:
        yield f"{what} is empty"
    elif any(unicodedata.category(letter) == "Cc" or letter in _TURNING for letter in shown):
        yield f"{what} has control characters: {shown[:100]}"


# --- many ------------------------------------------------------------------------------------


@contextmanager
def _within_seconds() -> Iterator[None]:
    """Stop what takes longer, in CPU time, so that a busy machine changes nothing."""

    def stop(*_: object) -> None:
        raise TooSlowError

    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, MAX_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def write_damaged(reader: str, seed: int, number: int, folder: Path) -> Written:
    """Write one of the damaged sources into a folder, which does not exist yet."""
    rng = _rng(reader, seed, number)
    write = rng.choice(_undamaged(reader))
    folder.mkdir()
    written = write(folder)
    file = rng.choice(_texts(folder))
    file.write_bytes(damage(file.read_bytes(), file.name, rng))
    return written


def _rng(reader: str, seed: int, number: int) -> Random:
    return Random(f"{reader}/{seed}/{number}")


def find_faults(
    reader: str, seed: int, numbers: Sequence[int], keep: Path | None
) -> Iterator[Fault]:
    """Damage and read sources. The damage depends on the reader, the seed and the number only."""
    with tempfile.TemporaryDirectory(prefix="d") as temporary:
        bases = []
        for index, write in enumerate(_undamaged(reader)):
            folder = Path(temporary, str(index))
            folder.mkdir()
            bases.append((folder, write(folder)))
        with open_journal(Path(temporary, "journal.jsonl")) as journal:
            for number in numbers:
                rng = _rng(reader, seed, number)
                folder, written = rng.choice(bases)
                file = rng.choice(_texts(folder))
                content = file.read_bytes()
                damaged = damage(content, file.name, rng)
                file.write_bytes(damaged)
                name = str(file.relative_to(temporary))
                format = SourceFormat(reader) if rng.random() < 0.3 else SourceFormat.auto
                find = partial(faults_of, written, format, journal, rng)
                faults = list(dict.fromkeys(_faults_within_limits(find)))
                file.write_bytes(content)
                for what in faults:
                    yield Fault(reader, seed, number, name, what)
                if faults and keep:
                    kept = keep / f"{reader}-{seed}-{number}"
                    shutil.copytree(folder, kept, dirs_exist_ok=True)
                    (kept / file.relative_to(folder)).write_bytes(damaged)


def find_image_faults(seed: int, numbers: Sequence[int], keep: Path | None) -> Iterator[Fault]:
    """Damage and decode images."""
    images = undamaged_images()
    for number in numbers:
        rng = _rng(IMAGES, seed, number)
        name, data = rng.choice(images)
        damaged = damage(data, name, rng)
        for what in dict.fromkeys(_faults_within_limits(partial(image_faults, damaged))):
            yield Fault(IMAGES, seed, number, name, what)
            if keep:
                keep.mkdir(parents=True, exist_ok=True)
                (keep / f"{IMAGES}-{seed}-{number}").write_bytes(damaged)


def _faults_within_limits(find: Callable[[], Iterator[str]]) -> Iterator[str]:
    """Yield the faults that a function finds, and those of its time and its memory."""
    before = _max_memory()
    try:
        with warnings.catch_warnings(record=True) as warned, _within_seconds():
            yield from list(find())
        yield from (f"warns: {warning.message}" for warning in warned)
    except TooSlowError:
        yield f"took more than {MAX_SECONDS} seconds"
    except Exception as error:
        yield f"{type(error).__name__}: {error}"
    if before < MAX_MEMORY <= _max_memory():
        yield f"took {_max_memory() >> 20} MiB of memory"


def _max_memory() -> int:
    """Return the most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _limit_memory() -> None:
    """Make an allocation far above the limit fail, instead of the machine."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + 4 * MAX_MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000, help="damaged files for each reader")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--reader", choices=(*READERS, IMAGES), action="append")
    parser.add_argument("--number", type=int, help="only this one of the damaged files")
    parser.add_argument("--keep", type=Path, help="folder for the damaged files of the faults")
    given = parser.parse_args()
    _limit_memory()
    numbers = range(given.count) if given.number is None else [given.number]
    for reader in given.reader or (*READERS, IMAGES):
        find = find_image_faults if reader == IMAGES else partial(find_faults, reader)
        for fault in find(given.seed, numbers, given.keep):
            sys.stdout.write(json.dumps(asdict(fault)) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
