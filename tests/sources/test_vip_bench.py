"""ViP-Bench: rows of its splits."""

from pathlib import Path

from tests.support.sources import read_bad_rows, read_ids, read_rows, write_file, write_vip_bench


def test_rows_come_split_by_split(tmp_path: Path) -> None:
    source = write_vip_bench(tmp_path)
    rows = read_rows(source)
    assert [row.id for row in rows] == ["bbox/v1_0", "bbox/v1_1", "human/v1_0", "human/v1_1"]
    assert [row.questions for row in rows][2:] == [("human 0?",), ("human 1?",)]
    assert rows[0].image == str(source / "bbox" / "images" / "0.png")
    assert rows[0].extra == {"question_id": 0, "category": "x"}
    assert read_ids(source / "human") == ["v1_0", "v1_1"]
    write_file(source / "human" / "questions.jsonl", '{"image": "0.png", "text": "x"}\n')
    assert len(read_bad_rows(source)) == 1
