"""Records -> a file or a folder in the format of an annotation tool."""

import os
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from vipllava_cli.errors import InputError, UsageError
from vipllava_cli.flows.export.coco import write_coco
from vipllava_cli.flows.export.csv_table import write_csv
from vipllava_cli.flows.export.cvat import write_cvat
from vipllava_cli.flows.export.dataset import Dataset
from vipllava_cli.flows.export.fiftyone import write_fiftyone
from vipllava_cli.flows.export.formats import ExportFormat
from vipllava_cli.flows.export.image_names import ImagePaths, image_notes
from vipllava_cli.flows.export.label_studio import write_label_studio
from vipllava_cli.flows.export.labelme import write_labelme
from vipllava_cli.flows.export.llava import write_llava
from vipllava_cli.flows.export.output import (
    Export,
    Target,
    check_folder,
    write_file,
    write_folder,
)
from vipllava_cli.flows.export.read_records import AnsweredRow, dataset_of, read_rows
from vipllava_cli.flows.export.read_source import SourceFile, read_source_file
from vipllava_cli.flows.export.relabel import label_from_answers, wants_labels
from vipllava_cli.flows.export.voc import write_voc
from vipllava_cli.flows.export.yolo import write_yolo
from vipllava_cli.sources.archives import find_archive, unpack_source
from vipllava_cli.sources.folder import image_suffixes
from vipllava_cli.sources.read_options import DEFAULT_OPTIONS, ReadOptions
from vipllava_cli.storage.counts import count_noun
from vipllava_cli.storage.files import same_file
from vipllava_cli.storage.outputs import OutputKind, check_not_input, check_output


@dataclass(frozen=True)
class Writer:
    """The writer of a format. `suffixes` are those of its files, the usual one first.

    A format of a folder has one file for each image; `may_be_file`: one image may be a single file.
    """

    write: Callable[[Dataset, Target], Export]
    suffixes: tuple[str, ...]
    is_folder: bool = False
    may_be_file: bool = False


WRITERS: Mapping[ExportFormat, Writer] = {
    ExportFormat.coco: Writer(write_coco, (".json",)),
    ExportFormat.labelme: Writer(write_labelme, (".json",), is_folder=True, may_be_file=True),
    ExportFormat.voc: Writer(write_voc, (".xml",), is_folder=True, may_be_file=True),
    ExportFormat.yolo: Writer(write_yolo, (".txt", ".yaml", ".jsonl"), is_folder=True),
    ExportFormat.label_studio: Writer(write_label_studio, (".json",)),
    ExportFormat.cvat: Writer(write_cvat, (".xml",)),
    ExportFormat.fiftyone: Writer(write_fiftyone, (".json",), is_folder=True),
    ExportFormat.llava: Writer(write_llava, (".json", ".jsonl")),
    ExportFormat.csv: Writer(write_csv, (".csv",)),
}

_FILE_SUFFIXES = (".json", ".jsonl", ".xml", ".csv", ".tsv", ".txt", ".yaml", ".zip", ".parquet")


@dataclass(frozen=True)
class ExportTask:
    """What to export. `results` is a file of records, or `-`; `source` the file that batch read."""

    results: Path
    format: ExportFormat
    out: Path
    source: str | None = None
    label_from_answer: bool = False
    force: bool = False
    options: ReadOptions = DEFAULT_OPTIONS
    csv_safe: bool = False


def export(task: ExportTask) -> list[str]:
    """Write the export. Returns notes for the user, the last one about what was written.

    Raises InputError and UsageError; then nothing is written.
    """
    is_folder = _check_out(task, WRITERS[task.format])
    notes: list[str] = []
    rows = read_rows(task.results, notes)
    paths = ImagePaths(task.results.parent)
    if task.source is None:
        return [*notes, *_write(task, rows, paths, dataset_of(rows), None, is_folder)]
    with unpack_source(task.source, task.options) as unpacked:
        source = read_source_file(unpacked, rows, paths)
        pointed = sum(len(row.answer_marks) for row in rows)
        if pointed:
            notes.append(
                f"{count_noun(pointed, 'region')} of answers: left out, because --source has its own"
                " regions; export without --source to get them"
            )
        written = _write(task, rows, paths, source.dataset, source, is_folder)
        return [*notes, *map(unpacked.restore_text, [*unpacked.notes, *written])]


def _write(
    task: ExportTask,
    rows: list[AnsweredRow],
    paths: ImagePaths,
    dataset: Dataset,
    source: SourceFile | None,
    is_folder: bool,
) -> list[str]:
    """Write the export of a dataset. Returns notes. Raises InputError and UsageError."""
    if task.label_from_answer or wants_labels(rows):
        label_from_answers(dataset)
    if is_folder:
        _check_not_above(task, dataset, paths)
    folder = task.out if is_folder else task.out.parent
    is_same_format = source is not None and source.format == task.format.value and source.files
    target = Target(
        folder,
        paths,
        source if is_same_format else None,
        task.options.encoding,
        task.out.suffix.lower(),
        is_folder,
        task.csv_safe,
    )
    if not is_same_format:
        dataset.merge_images()
        dataset.drop_unread_images()
        dataset.note_invalid_regions()
    made = WRITERS[task.format].write(dataset, target)
    if is_folder:
        write_folder(made, task.out)
    else:
        write_file(made, task.out)
    named = () if task.format == ExportFormat.yolo else dataset.images  # YOLO has copies
    about_images = [
        *image_notes((image.name for image in named), paths),
        *_moved_note(task, target, dataset),
    ]
    return [*dataset.notes, *made.notes, *about_images, _summary(task.out, dataset)]


def _moved_note(task: ExportTask, target: Target, dataset: Dataset) -> Iterator[str]:
    """Yield a note if a copy of the source keeps names of images that count from another folder."""
    source = target.source
    if source is None or WRITERS[task.format].is_folder or not source.files:
        return
    folder = os.path.dirname(os.path.abspath(source.files[0]))
    paths = [path for image in dataset.images if (path := target.paths.absolute(image.name))]
    if paths and os.path.realpath(folder) != os.path.realpath(target.folder):
        images = os.path.relpath(os.path.commonpath(map(os.path.dirname, paths)))
        yield (
            f"{task.out} names its images as {task.source} does, from another folder: batch finds them"
            f" with --images {shlex.quote(images)}"
        )


def _summary(out: Path, dataset: Dataset) -> str:
    regions = sum(1 for image in dataset.images for _ in image.marked())
    answered = sum(answer.text is not None for answer in dataset.answers())
    images = count_noun(len(dataset.images), "image")
    return (
        f"wrote {out}: {images}, {count_noun(regions, 'region')}, {count_noun(answered, 'answer')}"
    )


# --- checks ----------------------------------------------------------------------------------


def _check_out(task: ExportTask, writer: Writer) -> bool:
    """Check the output, and return whether it is a folder. Raises UsageError and InputError."""
    out, suffix = task.out, task.out.suffix.lower()
    options = task.options
    named = (str(task.results), task.source, options.coco, *options.image_folders)
    inputs = tuple(filter(None, named))
    check_not_input(inputs, str(out))
    is_folder = writer.is_folder and not (writer.may_be_file and suffix == writer.suffixes[0])
    if is_folder:
        if suffix in _FILE_SUFFIXES:
            raise UsageError(
                f"{task.format} is a folder of files: give -o a name without {suffix}, like"
                f" {out.with_suffix('')}"
            )
        suffixes = (
            (*writer.suffixes, *image_suffixes()) if task.format == "yolo" else writer.suffixes
        )
        check_folder(out, suffixes, force=task.force)
        return True
    if suffix in _FILE_SUFFIXES and suffix not in writer.suffixes:
        raise UsageError(
            f"{out} has the suffix of another format, and {task.format} needs {writer.suffixes[0]}: use"
            f" {out.with_suffix(writer.suffixes[0])}"
        )
    check_output(str(out), OutputKind.text, force=task.force, inputs=inputs)
    return False


def _check_not_above(task: ExportTask, dataset: Dataset, paths: ImagePaths) -> None:
    """Refuse a folder that contains an input, because it would be replaced. Raises InputError."""
    if not os.path.isdir(task.out):
        return
    images = (paths.absolute(image.name) for image in dataset.images)
    archive = find_archive(task.source) if task.source else None
    named = [archive.archive if archive else task.source, *images]
    inputs: list[str | Path] = [task.results, Path.cwd(), *filter(None, named)]
    for name in _existing(inputs):
        if any(same_file(parent, task.out) for parent in (name, *name.parents)):
            raise InputError(
                f"{task.out} contains {name}, which the export reads, and the whole folder is replaced:"
                " give -o a new folder"
            )


def _existing(names: Iterable[str | Path]) -> Iterable[Path]:
    return (Path(name).resolve() for name in names if os.path.exists(name))
