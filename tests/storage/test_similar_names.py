"""Names that the user probably meant."""

from pathlib import Path

import pytest

from vipllava_cli.storage.similar_names import find_similar


@pytest.mark.parametrize(
    ("missing", "similar"),
    [
        ("street.png", "street.jpg"),
        ("steet.jpg", "street.jpg"),
        ("STREET.JPG", "street.jpg"),
        ("strete", "street.jpg"),
        ("streetlight.jpg", None),
        ("img_13.jpg", None),
        ("imgs_12.jpg", "img_12.jpg"),
        ("lists.png", None),
        ("tea.png", None),
        ("cta.jpg", "cat.jpg"),
    ],
)
def test_only_a_near_name_of_an_image_is_suggested(
    tmp_path: Path, missing: str, similar: str | None
) -> None:
    for name in ("street.jpg", "cat.jpg", "img_12.jpg", "list.txt", "list"):
        (tmp_path / name).touch()
    found = find_similar(str(tmp_path / missing), lambda name: name.endswith(".jpg"))
    assert found == (similar and str(tmp_path / similar))
    assert find_similar(str(tmp_path / "nowhere" / missing)) is None


@pytest.mark.parametrize(
    ("missing", "similar"),
    [("rows.jsnol", "rows.jsonl"), ("rows.csb", "rows.csv"), ("image", "images"), ("x.csv", None)],
)
def test_a_similar_name_may_be_that_of_a_folder_or_differ_in_the_suffix(
    tmp_path: Path, missing: str, similar: str | None
) -> None:
    for name in ("rows.csv", "rows.jsonl"):
        (tmp_path / name).touch()
    (tmp_path / "images").mkdir()
    assert find_similar(str(tmp_path / missing)) == (similar and str(tmp_path / similar))
