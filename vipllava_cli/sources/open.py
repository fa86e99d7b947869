"""Everything that `vipllava batch SOURCE` reads -> a stream of rows."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from vipllava_cli.errors import InputError, UsageError
from vipllava_cli.sources.coco import read_coco
from vipllava_cli.sources.detect import detect
from vipllava_cli.sources.folder import read_folder
from vipllava_cli.sources.labelme import read_labelme
from vipllava_cli.sources.manifest import read_csv, read_json, read_jsonl, read_tsv
from vipllava_cli.sources.regions import Annotations, Per, read_regions
from vipllava_cli.sources.rows import Source
from vipllava_cli.sources.vip_bench import read_vip_bench
from vipllava_cli.sources.voc import read_voc
from vipllava_cli.sources.yolo import read_yolo

__all__ = ["AUTO", "FORMATS", "Format", "Per", "read_source"]

AUTO = "auto"


@dataclass(frozen=True)
class Format:
    """What a kind of source is, in words, and its reader."""

    what: str
    read: Callable[[str], Source | Annotations]


FORMATS: Mapping[str, Format] = {
    "folder": Format("a folder of images", read_folder),
    "jsonl": Format("a manifest in JSONL", read_jsonl),
    "json": Format("a manifest in JSON", read_json),
    "csv": Format("a table with commas", read_csv),
    "tsv": Format("a table with tabs", read_tsv),
    "coco": Format("a COCO file", read_coco),
    "labelme": Format("a LabelMe file or a folder of them", read_labelme),
    "voc": Format("a Pascal VOC file or a folder of them", read_voc),
    "yolo": Format("a YOLO folder or its data.yaml", read_yolo),
    "vip-bench": Format("a ViP-Bench folder", read_vip_bench),
}


def read_source(
    name: str, *, format: str = AUTO, per: Per = "region", labels: Sequence[str] = ()
) -> Source:
    """The rows of a source. Of an annotated one, a row for each region or each image (`per`), and
    only what has one of the `labels` where some are given.

    Raises InputError for a source that is wrong as a whole, UsageError for labels where there are
    none and for an unknown format.
    """
    kind = detect(name) if format == AUTO else format
    if kind is None:
        known = ", ".join(kind.what for kind in FORMATS.values())
        raise InputError(
            f"{name} is none of what is read here: expected {known}; if it is one of these, say which"
            f" with --format {'|'.join(FORMATS)}"
        )
    if kind not in FORMATS:
        raise UsageError(f"there is no format {kind!r}: expected {AUTO}, {', '.join(FORMATS)}")
    found = FORMATS[kind].read(name)
    if isinstance(found, Annotations):
        source = read_regions(found, per, labels)
    elif labels:
        raise UsageError(
            f"only an annotation file has labels to choose by, and {name} is read as {kind}"
        )
    else:
        source = found
    if format == AUTO and source.kind != "folder" and os.path.isdir(name):
        how = f"{name} holds {kind} files and is read as such; --format folder takes its images"
        return replace(source, notes=(how, *source.notes))
    return source
