"""Sources in ZIP archives: read in place, within limits, and nothing outside."""

import io
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.support.sources import read_error, read_rows, write_vip_bench
from tests.support.zips import (
    image_bytes,
    overlap_entries,
    pack,
    pack_folder,
    pack_raw_names,
    patch_entries,
)
from vipllava_cli.errors import InputError
from vipllava_cli.marks.marked_image import open_image
from vipllava_cli.marks.resolve import resolve_marks
from vipllava_cli.sources import archives
from vipllava_cli.sources.open import read_source, read_sources
from vipllava_cli.sources.read_options import ReadOptions
from vipllava_cli.sources.rows import BadRow, Row
from vipllava_cli.storage import zip_archive

CASES = ROOT / "tests" / "fixtures" / "cases"
READABLE = (
    "01-coco-float-ids",
    "09-coco-exif",
    "14-roboflow-coco-folder",
    "15-coco-keypoints-layout",
    "15c-coco-instances_default-cvat",
    "30-labelme-mask",
    "34-labelme-split-dirs",
    "47-voc-splitdirs-xmls",
    "53-yolo-float-class",
    "58-yolo-yaml-elsewhere",
    "58b-yolo-train-txt",
    "58c-roboflow-yolo",
    "58d-darknet",
    "60-cvat-xml",
    "65-hf-imagefolder",
    "68-openimages",
)
COCO = {
    "images": [{"id": 1, "file_name": "a.png", "width": 160, "height": 120}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [20, 30, 40, 25]}],
    "categories": [{"id": 1, "name": "bolt"}],
}


@pytest.fixture(autouse=True)
def _temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """Every test ends with an empty temporary folder."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


def regions(source: Path) -> list[tuple[str, object]]:
    """Read the ids, labels and bounds of a source, from its images."""
    found: list[tuple[str, object]] = []
    for row in read_rows(source):
        assert row.image_error is None
        file = open_image(row.image)
        resolved = resolve_marks(row.marks, file.size, read_orientation=file.read_orientation)
        found.append((row.id, [(mark.label, mark.bounds) for mark in resolved.marks]))
    return found


@pytest.mark.parametrize("top", ["", "export/"])
@pytest.mark.parametrize("case", READABLE)
def test_an_archive_gives_the_rows_of_its_folder(tmp_path: Path, case: str, top: str) -> None:
    archive = pack_folder(CASES / case, tmp_path / "export.zip", top)
    assert regions(archive) == regions(CASES / case)
    images = {row.image for row in read_rows(archive)}
    assert all(image.startswith(f"{archive}/{top}") for image in images)
    assert str(tmp_path / "tmp") not in str(read_source(str(archive)).notes)


def test_vip_bench_and_a_plain_archive_of_images(tmp_path: Path) -> None:
    bench = pack_folder(write_vip_bench(tmp_path / "bench"), tmp_path / "bench.zip", "ViP-Bench/")
    folder_ids = [row.id for row in read_rows(tmp_path / "bench")]
    assert [row.id for row in read_rows(bench)] == folder_ids
    image = image_bytes(tmp_path)
    junk = ("__MACOSX/photos/._a.png", "photos/._a.png", "photos/.DS_Store", "__MACOSX/._photos")
    files = dict.fromkeys(("photos/10.png", "photos/2.png", *junk), image)
    plain = pack(tmp_path / "plain.zip", files)
    source = read_source(str(plain))
    assert [(row.id, row.image) for row in source.rows] == [
        ("2.png", f"{plain}/photos/2.png"),
        ("10.png", f"{plain}/photos/10.png"),
    ]
    assert source.notes == ()
    assert source.is_rereadable


def test_the_subsets_of_a_cvat_project_are_told_apart(tmp_path: Path) -> None:
    box = '<box label="bolt" xtl="20" ytl="30" xbr="60" ybr="55"/>'
    images = "".join(
        f'<image name="a.png" subset="{subset}" width="160" height="120">{box}</image>'
        for subset in ("Train", "Val")
    )
    files: dict[str, bytes | str] = {"annotations.xml": f"<annotations>{images}</annotations>"}
    image = image_bytes(tmp_path)
    files |= {"images/Train/a.png": image, "images/Val/a.png": image}
    archive = pack(tmp_path / "cvat.zip", files)
    rows = read_rows(archive)
    assert [row.image_error for row in rows] == [None, None]
    assert [row.image for row in rows] == [
        f"{archive}/images/Train/a.png",
        f"{archive}/images/Val/a.png",
    ]


def test_the_content_tells_an_archive(tmp_path: Path) -> None:
    archive = pack_folder(CASES / "01-coco-float-ids", tmp_path / "download")
    assert len(read_rows(archive)) == 1


def test_a_file_or_folder_in_an_archive_is_a_source(tmp_path: Path) -> None:
    image = image_bytes(tmp_path)
    archive = pack(
        tmp_path / "sets.zip",
        {
            "annotations/captions.json": json.dumps(COCO),
            "annotations/instances.json": json.dumps(COCO),
            "images/a.png": image,
        },
    )
    error = read_error(archive)
    assert f"{archive}/annotations/instances.json" in error
    for advised in ("annotations/instances.json", "annotations/captions.json"):
        [row] = read_rows(f"{archive}/{advised}")
        assert (row.id, row.image) == ("a.png#1", f"{archive}/images/a.png")
    [row] = read_rows(f"{archive}/images")
    assert row.image == f"{archive}/images/a.png"
    [only] = read_sources([f"{archive}/images/a.png"]).rows
    assert open_image(only.image).size == (160, 120)
    assert "annotations/none" in read_error(f"{archive}/annotations/none")


def test_images_are_in_a_folder_or_another_archive(tmp_path: Path) -> None:
    labels = pack(tmp_path / "labels.zip", {"annotations/instances_default.json": json.dumps(COCO)})
    images = pack(tmp_path / "images.zip", {"deep/er/a.png": image_bytes(tmp_path)})
    [without] = read_rows(labels)
    assert "--images DIR" in str(without.image_error)
    assert str(tmp_path / "tmp") not in str(without.image_error)
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.png").write_bytes(image_bytes(tmp_path))
    for given, image in ((folder, folder / "a.png"), (images, images / "deep/er/a.png")):
        [row] = read_rows(labels, options=ReadOptions((str(given),)))
        assert row.image == str(image)
        assert row.image_error is None
        assert not row.id.startswith("..")
        assert open_image(row.image).size == (160, 120)
    unpacked = tmp_path / "ann.json"
    unpacked.write_text(json.dumps(COCO))
    [row] = read_rows(unpacked, options=ReadOptions((str(images),)))
    assert row.image == str(images / "deep/er/a.png")


def test_an_image_outside_the_archive_is_an_error(tmp_path: Path) -> None:
    outside = tmp_path / "outside.png"
    outside.write_bytes(image_bytes(tmp_path))
    coco = {**COCO, "images": [{"id": 1, "file_name": str(outside)}]}
    archive = pack(tmp_path / "x.zip", {"ann.json": json.dumps(coco)})
    [row] = read_rows(archive)
    assert "outside the archive" in str(row.image_error)
    [row] = read_rows(archive, options=ReadOptions((str(tmp_path),)))
    assert row.image_error is None


def test_masks_of_a_manifest_are_in_the_archive(tmp_path: Path) -> None:
    mask = image_bytes(tmp_path)
    line = {"image": "a.png", "marks": [{"shape": "mask", "file": "m.png"}]}
    archive = pack(
        tmp_path / "rows.zip", {"a.png": mask, "m.png": mask, "rows.jsonl": json.dumps(line)}
    )
    [row] = read_rows(f"{archive}/rows.jsonl")
    assert row.marks[0].file == f"{archive}/m.png"


def test_a_manifest_outside_may_name_images_in_an_archive(tmp_path: Path) -> None:
    """As `--pick` writes it. A file of the same name beside the manifest is another image."""
    archive = pack(tmp_path / "photos.zip", {"photos/a.png": image_bytes(tmp_path)})
    (tmp_path / "a.png").write_bytes(image_bytes(tmp_path))
    manifest = tmp_path / "rows.jsonl"
    manifest.write_text('{"image": "photos.zip/photos/a.png"}\n')
    [row] = read_rows(manifest)
    assert row.image == f"{archive}/photos/a.png"


# --- names -----------------------------------------------------------------------------------


def test_backslashes_separate_folders(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {
        "images\\a.png": image_bytes(tmp_path),
        "ann\\a.json": json.dumps(COCO),
    }
    archive = pack(tmp_path / "net.zip", files)
    [row] = read_rows(archive)
    assert row.image == f"{archive}/images/a.png"
    assert open_image(row.image).size == (160, 120)


@pytest.mark.parametrize(("encoding", "given"), [("utf-8", None), ("gbk", "gbk"), ("cp437", None)])
def test_names_in_undeclared_encodings(tmp_path: Path, encoding: str, given: str | None) -> None:
    name = {"gbk": "螺栓.png", "utf-8": "Schräubchen 螺栓.png", "cp437": "è.png"}[encoding]
    archive = pack_raw_names(tmp_path / "names.zip", {name.encode(encoding): image_bytes(tmp_path)})
    [row] = read_rows(archive, options=ReadOptions(encoding=given))
    assert row.id == name
    zip_archive._open.cache_clear()
    assert open_image(row.image).size == (160, 120), "a report finds it without --encoding"


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("螺栓.png", "gbk"),
        ("ねじ.png", "shift_jis"),
        ("表示.png", "shift_jis"),
        ("болт.png", "cp866"),
        ("Schräubchen.png", "cp850"),
        ("é.png", "cp1252"),
    ],
)
@pytest.mark.parametrize("is_escaped", [True, False])
def test_annotations_in_utf_8_tell_the_encoding_of_the_names(
    tmp_path: Path, name: str, encoding: str, is_escaped: bool
) -> None:
    """As Windows packs a folder of LabelMe or COCO files."""
    coco = {**COCO, "images": [{"id": 1, "file_name": name}]}
    text = json.dumps(coco, ensure_ascii=is_escaped).encode()
    archive = pack_raw_names(
        tmp_path / "x.zip", {b"ann.json": text, name.encode(encoding): image_bytes(tmp_path)}
    )
    source = read_source(str(archive))
    [row] = source.rows
    assert isinstance(row, Row)
    assert row.image == f"{archive}/{name}"
    assert row.image_error is None
    assert not any("--encoding" in note for note in source.notes)
    zip_archive._open.cache_clear()
    assert open_image(row.image).size == (160, 120)


def test_a_note_asks_for_the_encoding_of_names(tmp_path: Path) -> None:
    archive = pack_raw_names(tmp_path / "x.zip", {"螺栓.png".encode("gbk"): image_bytes(tmp_path)})
    [note] = read_source(str(archive)).notes
    assert "--encoding" in note


def test_notes_name_what_is_not_read(tmp_path: Path) -> None:
    image = image_bytes(tmp_path)
    archive = pack(tmp_path / "x.zip", {"a.png": image, "more.zip": b"PK", "deep/b.tar.gz": b""})
    with zipfile.ZipFile(archive, "a") as file:
        link = zipfile.ZipInfo("link.png")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        file.writestr(link, "/etc/passwd")
        with pytest.warns(UserWarning, match="Duplicate"):
            file.writestr("a.png", image + b"more")
    source = read_source(str(archive))
    notes = "\n".join(source.notes)
    assert "more.zip, deep/b.tar.gz" in notes
    assert "link.png" in notes
    assert "the last one counts: a.png" in notes
    assert [row.id for row in source.rows] == ["a.png"]


# --- archives that are refused ---------------------------------------------------------------


@pytest.mark.parametrize("name", ["../a.png", "x/../../a.png", "/a.png", "C:\\a.png", "..\\a.png"])
def test_an_entry_outside_is_refused(tmp_path: Path, name: str) -> None:
    archive = pack(tmp_path / "x.zip", {"b.png": image_bytes(tmp_path), name: b"x"})
    error = read_error(archive)
    assert "leads out of the archive" in error
    assert name.replace("\\", "/") in error


def test_damaged_archives_are_refused(tmp_path: Path) -> None:
    whole = pack_folder(CASES / "01-coco-float-ids", tmp_path / "whole.zip").read_bytes()
    archive = tmp_path / "x.zip"
    for data in (whole[: len(whole) // 2], whole[:30], b"PK\x05\x06"):
        archive.write_bytes(data)
        assert "cut short or damaged" in read_error(archive)


def test_a_bad_checksum_is_an_error_of_the_file(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {"ann.json": json.dumps(COCO), "a.png": image_bytes(tmp_path)}
    archive = patch_entries(pack(tmp_path / "x.zip", files), 16, b"\0\1\2\3", 14)
    assert "ann.json is damaged" in read_error(archive)
    plain = patch_entries(
        pack(tmp_path / "y.zip", {"a.png": image_bytes(tmp_path)}), 16, b"\0\1\2\3", 14
    )
    [row] = read_rows(plain)
    with pytest.raises(InputError, match=r"y\.zip/a\.png is damaged"):
        open_image(row.image)


def test_encrypted_and_other_compression_is_refused(tmp_path: Path) -> None:
    files = {"a.png": image_bytes(tmp_path)}
    encrypted = patch_entries(pack(tmp_path / "x.zip", files), 8, b"\1\0", 6)
    assert "encrypted" in read_error(encrypted)
    deflate64 = patch_entries(pack(tmp_path / "y.zip", files), 10, b"\x09\0", 8)
    assert "Deflate64" in read_error(deflate64)


def test_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = image_bytes(tmp_path)
    overlapping = overlap_entries(pack(tmp_path / "o.zip", {"a.png": image, "b.png": image}))
    assert "overlap" in read_error(overlapping)
    many = pack(tmp_path / "m.zip", {f"{number}.png": b"" for number in range(20)})
    monkeypatch.setattr(zip_archive, "MAX_ENTRIES", 10)
    assert "20 entries" in read_error(many)
    zeros = pack(tmp_path / "z.zip", {"ann.json": b"0" * 4_000_000, "b.json": b"0" * 4_000_000})
    monkeypatch.setattr(zip_archive, "MIN_BYTES_FOR_RATIO", 1 << 20)
    assert "times as large" in read_error(zeros)
    monkeypatch.setattr(zip_archive, "MAX_RATIO", 10_000)
    monkeypatch.setattr(archives, "MAX_FILE_BYTES", 1 << 21)
    assert "larger than 2 MiB" in read_error(zeros)
    monkeypatch.setattr(archives, "MAX_FILE_BYTES", 5 << 20)
    monkeypatch.setattr(archives, "MAX_TOTAL_BYTES", 5 << 20)
    assert "more than 5 MiB of annotation files" in read_error(zeros)


def test_a_declared_size_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list of entries says 100 bytes; the content has 4 million."""
    archive = pack(tmp_path / "z.zip", {"ann.json": b"[" * 4_000_000, "a.png": b""})
    patched = patch_entries(archive, 24, (100).to_bytes(4, "little"), 22)
    assert "damaged" in read_error(patched)


def tar_gz(folder: Path) -> Path:
    path = folder / "x.tar.gz"
    with tarfile.open(path, "w:gz") as file:
        file.addfile(tarfile.TarInfo("a"), io.BytesIO())
    return path


def test_other_archives_and_documents_are_named(tmp_path: Path) -> None:
    assert "unpack it" in read_error(tar_gz(tmp_path))
    with tarfile.open(tmp_path / "x.tar", "w") as file:
        file.addfile(tarfile.TarInfo("a"), io.BytesIO())
    for name, content, found in (
        ("x.tar", None, "a tar archive"),
        ("x.7z", b"7z\xbc\xaf\x27\x1c" + bytes(40), "a 7z archive"),
        ("x.rar", b"Rar!\x1a\x07\x01" + bytes(40), "a RAR archive"),
        ("page.zip", b"\n<!DOCTYPE html><html>", "a web page"),
        ("empty.zip", b"", "empty"),
        ("other.zip", bytes(range(200)), "not a ZIP archive"),
    ):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        assert found in read_error(tmp_path / name)
    for names, found in (
        (["[Content_Types].xml", "xl/workbook.xml"], "save it as CSV"),
        (["[Content_Types].xml", "word/document.xml"], "Microsoft Office"),
        (["mimetype", "content.xml"], "OpenDocument"),
        (["x.npy", "y.npy"], "NumPy"),
        ([], "contains no file"),
    ):
        assert found in read_error(pack(tmp_path / "d.docx", dict.fromkeys(names, b"x")))
    nested = pack(tmp_path / "n.zip", {"x/more.zip": b"PK", "x/y.zip": b"PK"})
    assert "contains only archives (x/more.zip, x/y.zip)" in read_error(nested)
    assert "unpack it" in read_error(nested / "x" / "more.zip")


def test_a_signal_removes_the_unpacked_files(tmp_path: Path) -> None:
    """The archive takes seconds to unpack; a signal comes in between."""
    labels = {f"{number}.json": b"{}" for number in range(20_000)}
    archive = pack(tmp_path / "big.zip", labels)
    folder = tmp_path / "signalled"
    folder.mkdir()
    for number in (signal.SIGTERM, signal.SIGINT):
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "vipllava_cli",
                "batch",
                str(archive),
                "--out",
                str(tmp_path / "r.jsonl"),
                "--dry-run",
            ],
            env={**os.environ, "TMPDIR": str(folder)},
            cwd=ROOT,
            stderr=subprocess.DEVNULL,
        )
        while not list(folder.glob("vipllava-*/*/*/*/*")):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(number)
        assert process.wait() in (143, 130)
        assert list(folder.iterdir()) == []
    shutil.rmtree(folder)


def test_bad_rows_name_the_archive(tmp_path: Path) -> None:
    coco = {**COCO, "annotations": [{"id": 1, "image_id": 1, "bbox": [1, 2, 0, 4]}]}
    archive = pack(tmp_path / "x.zip", {"ann.json": json.dumps(coco), "a.png": b""})
    [bad] = read_source(str(archive)).rows
    assert isinstance(bad, BadRow)
    assert f"{archive}/ann.json, region 1" in str(bad.error)
    assert not isinstance(bad, Row)
