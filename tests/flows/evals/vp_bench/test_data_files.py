"""The files of VP-Bench: kinds, parts, damage, and memory."""

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from tests.conftest import Run
from tests.support import vp_bench_files as files
from vipllava_cli.errors import InputError
from vipllava_cli.flows.evals.benchmark import DatasetOptions
from vipllava_cli.flows.evals.vp_bench.benchmark import load
from vipllava_cli.flows.evals.vp_bench.data_files import find_files

COLUMNS = "question, answer, image, A, B"


def rows(count: int) -> list[files.Row]:
    image = files.small_png()
    return [
        {"index": n, "context": "", "question": f"what is row {n}?", "A": "a dog", "B": "a cat"}
        | {"answer": "B", "image": image, "vp_amount": 1, "vp_shape": "arrow", "vp_properties": ""}
        for n in range(count)
    ]


def ids(data: Path, limit: int | None = None) -> list[str]:
    samples = list(load(DatasetOptions(data, limit=limit)))
    assert all(sample.error is None for sample in samples)
    return [sample.id for sample in samples]


def test_reads_parts_of_a_folder_and_of_a_pattern_in_natural_order(tmp_path: Path) -> None:
    for number in (0, 2, 10):
        part = [row | {"index": f"{number}-{row['index']}"} for row in rows(2)]
        files.write_parquet(tmp_path / "data" / f"vp.part{number}.parquet", part, group_rows=1)
    every = ["0-0", "0-1", "2-0", "2-1", "10-0", "10-1"]
    assert ids(tmp_path / "data") == ids(tmp_path) == ids(tmp_path / "data/vp.*.parquet") == every
    assert ids(tmp_path, limit=3) == every[:3]


def test_the_table_for_vlmevalkit_holds_the_same_rows(tmp_path: Path) -> None:
    same = [row | {"context": "Look."} for row in rows(3)]
    parquet = load(DatasetOptions(files.write_parquet(tmp_path / "vp.parquet", same)))
    table = load(DatasetOptions(files.write_tsv(tmp_path / "vp.tsv", same)))
    for one, other in zip(parquet, table, strict=True):
        assert (one.id, one.image, one.cases) == (other.id, other.image, other.cases)


def test_a_table_of_scores_beside_the_data_is_not_a_part_of_them(tmp_path: Path) -> None:
    (tmp_path / "vp.csv").write_text("index,question,A,B,answer,image\n")
    (tmp_path / "scores.csv").write_text("rule,what,group,right\n")
    assert [file.path.name for file in find_files(tmp_path)] == ["vp.csv"]


def test_ids_are_row_numbers_without_an_index(tmp_path: Path) -> None:
    few = rows(2)
    for row in few:
        del row["index"]
    assert ids(files.write_parquet(tmp_path / "vp.parquet", few)) == ["1", "2"]


@pytest.mark.parametrize("form", ["bytes", "base64 bytes", "object", "data address"])
def test_images_in_other_forms_are_the_same(tmp_path: Path, form: str) -> None:
    import base64

    text = files.small_png()
    data = base64.b64decode(text)
    cell = {
        "bytes": data,
        "base64 bytes": text.encode(),
        "object": {"bytes": data, "path": None},
        "data address": f"data:image/png;base64,{text}",
    }[form]
    row = rows(1)[0] | {"image": cell}
    (sample,) = load(DatasetOptions(files.write_parquet(tmp_path / "vp.parquet", [row])))
    assert (sample.image, sample.error) == (data, None)


def test_a_row_that_is_no_text_is_an_error_row(tmp_path: Path) -> None:
    kept = rows(3)
    table = pa.Table.from_pylist(kept)
    texts = pa.array([b"what?", b"wh\xff", b"what?"]).cast(pa.binary())
    offsets = pa.StringArray.from_buffers(3, texts.buffers()[1], texts.buffers()[2])
    at = table.schema.get_field_index("question")
    table = table.set_column(at, "question", offsets)
    import pyarrow.parquet as pq

    pq.write_table(table, tmp_path / "vp.parquet")
    first, second, third = load(DatasetOptions(tmp_path / "vp.parquet"))
    assert (first.error, third.error) == (None, None)
    assert "the row is not valid text" in str(second.error)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("vp.parquet", b"hello", "vp.parquet is not a Parquet file: get a complete copy"),
        ("vp.parquet", b"PAR1 hello", "is not a Parquet file that can be read ("),
        ("vp.json", b"[]", "vp.json is neither a Parquet file nor a table: expected the Parquet"),
        ("vp.csv", b"a,b\n1,2\n", f"expected the columns {COLUMNS}, found no {COLUMNS}"),
        ("", b"", "has no Parquet file: expected the Parquet file of VP-Bench, several"),
        ("other.parquet", b"PAR1", "there is no file"),
    ],
)
def test_other_files_are_one_line(
    run: Run, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / name
    if content and name != "other.parquet":
        path.write_bytes(content)
    result = run("eval", "vp-bench", "--data", path, "--out", tmp_path / "out")
    assert (result.code, result.stdout) == (3, "")
    assert len(result.stderr.splitlines()) == 1
    assert message in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_missing_column_and_two_stages_are_refused(tmp_path: Path) -> None:
    few = rows(1)
    del few[0]["image"]
    path = files.write_parquet(tmp_path / "one" / "vp.parquet", few)
    with pytest.raises(InputError, match=f"expected the columns {COLUMNS}, found no image"):
        load(DatasetOptions(path))
    files.write_parquet(tmp_path / "two" / "1.parquet", rows(1))
    files.write_parquet(tmp_path / "two" / "2.parquet", [rows(1)[0] | {"meta_bbox": "[1,2,3,4]"}])
    with pytest.raises(
        InputError, match=r"2\.parquet is of stage 2, and other files are of stage 1"
    ):
        load(DatasetOptions(tmp_path / "two"))


def test_a_file_that_breaks_off_is_one_line(tmp_path: Path) -> None:
    path = files.write_parquet(tmp_path / "vp.parquet", rows(40), group_rows=10)
    data = bytearray(path.read_bytes())
    data[len(data) // 3 : len(data) // 2] = bytes(len(data) // 2 - len(data) // 3)
    path.write_bytes(data)
    with pytest.raises(InputError, match="is not a Parquet file that can be read"):
        list(load(DatasetOptions(path)))


_PEAK = """
import re, sys
from pathlib import Path
from vipllava_cli.flows.evals.benchmark import DatasetOptions
from vipllava_cli.flows.evals.vp_bench.benchmark import load

count = sum(len(sample.image) > 50_000 for sample in load(DatasetOptions(Path(sys.argv[1]))))
print(count, re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""


def test_memory_is_flat_at_5000_rows_of_one_row_group(tmp_path: Path) -> None:
    """A page of the file has 1,024 rows. The images of the larger file are 270 MB of base64 more."""
    peaks = []
    for count in (1100, 5000):
        path = files.write_large(tmp_path / f"{count}.parquet", count)
        command = [sys.executable, "-c", _PEAK, str(path)]
        ended = subprocess.run(command, capture_output=True, text=True, check=True)
        found, peak = map(int, ended.stdout.split())
        assert found == count
        peaks.append(peak >> 10)
    assert peaks[1] - peaks[0] < 60, peaks
