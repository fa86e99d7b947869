"""CVAT's XML: images, and the frames of a video."""

from pathlib import Path

import pytest

from tests.support.regions import copy_case, edit, read_regions
from tests.support.sources import read_error
from vipllava_cli.sources.open import read_source

XML = "annotations.xml"


def frames_command(source: Path) -> str:
    images = source / "images"
    return f"mkdir -p {images} && ffmpeg -i clip.mp4 -start_number 0 {images}/frame_%06d.png"


def test_attributes_are_columns() -> None:
    found = read_regions("tests/fixtures/cases/60b-cvat-shapes")
    assert found.columns[0] == {"label": "bolt", "occluded": 1, "source": "semi-auto"}
    assert found.columns[-1] == {"label": "bolt", "color": "red"}


def test_frames_are_numbered_and_named(tmp_path: Path) -> None:
    source = copy_case("60c-cvat-video", tmp_path)
    rows = list(read_source(str(source)).rows)
    assert [row.id for row in rows][:3] == ["frame_000000#1", "frame_000000#2", "frame_000001#1"]
    found = read_regions(source)
    assert found.columns[1] == {"label": "nut", "track": 1, "frame": 0}
    assert [each["frame"] for each in found.columns if each["track"] == 0] == [
        *(0, 1, 2, 3, 4, 5),
        *(9, 10, 11),
    ]


def test_frames_without_images_are_refused_with_a_command(tmp_path: Path) -> None:
    source = copy_case("60c-cvat-video", tmp_path)
    for image in (source / "images").iterdir():
        image.unlink()
    message = read_error(source)
    assert "clip.mp4" in message
    assert "the video clip.mp4" in message
    assert message.endswith(frames_command(source))


def test_numbers_of_images_with_other_names_are_refused_with_the_right_format(
    tmp_path: Path,
) -> None:
    source = copy_case("60c-cvat-video", tmp_path)
    edit(
        source / XML,
        lambda text: text.replace("<mode>interpolation", "<mode>annotation").replace(
            "<source>clip.mp4</source>", ""
        ),
    )
    for image in (source / "images").iterdir():
        image.rename(image.with_name(f"photo-{image.name}"))
    message = read_error(source)
    assert "export the task from CVAT as 'CVAT for images 1.1'" in message
    assert "ffmpeg" not in message


def test_images_that_count_from_one_are_refused(tmp_path: Path) -> None:
    source = copy_case("60c-cvat-video", tmp_path)
    images = source / "images"
    for number in range(11, -1, -1):
        frame = images / f"frame_{number:06d}.PNG"
        if frame.exists():
            frame.rename(images / f"frame_{number + 1:06d}.PNG")
    assert f"from 1: write the images again: {frames_command(source)}" in read_error(source)


def test_a_missing_frame_fails_alone(tmp_path: Path) -> None:
    source = copy_case("60c-cvat-video", tmp_path)
    (source / "images" / "frame_000003.PNG").unlink()
    found = read_regions(source)
    assert len(found.errors) == 1
    assert "frame_000003" in found.errors[0]
    assert len(found.regions) == 11


def test_polygons_that_move_are_skipped_between_keyframes(tmp_path: Path) -> None:
    source = copy_case("60c-cvat-video", tmp_path)
    edit(
        source / XML,
        lambda text: text.replace(
            'frame="3" outside="1" points="20,30;60,30;60,55"',
            'frame="3" outside="0" points="30,30;70,30;70,55"',
        ),
    )
    found = read_regions(source)
    nuts = [c["frame"] for c in found.columns if c["label"] == "nut"]
    assert nuts == [0, 3]
    assert any("skipped 2 regions between keyframes" in note for note in found.notes)
    assert any('1 track without outside="1" at the end' in note for note in found.notes)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('frame="4"', 'frame="x"', "number of a frame"),
        ('frame="11"', 'frame="99999999999"', "at most 300000 frames"),
        ('<track id="1"', '<track task_id="2" id="1"', "several|2 tasks"),
    ],
)
def test_a_malformed_track_is_refused(tmp_path: Path, old: str, new: str, words: str) -> None:
    source = copy_case("60c-cvat-video", tmp_path)
    edit(source / XML, lambda text: text.replace(old, new))
    with pytest.raises(Exception, match=words) as caught:
        read_source(str(source))
    assert "\n" not in str(caught.value)


def test_a_video_without_tracks_of_shapes_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.xml"
    file.write_text("<annotations><track id='0' label='x'/></annotations>")
    assert "video without regions" in read_error(file)


def test_a_frame_without_a_suffix_is_an_image(tmp_path: Path) -> None:
    """`CVAT for images` names the frames of a video without a suffix."""
    source = copy_case("60c-cvat-video", tmp_path)
    (source / XML).write_text(
        '<annotations><image id="0" name="frame_000000" width="160" height="120">'
        '<box label="bolt" xtl="20" ytl="30" xbr="60" ybr="55"/></image></annotations>'
    )
    assert read_regions(source / XML).regions == [("box", (20, 30, 60, 55))]


@pytest.mark.parametrize(
    "rle", ["", "x", "1, -2", "5000", "99999999999", "1000", "0, 1"], ids=lambda rle: rle or "none"
)
def test_a_damaged_mask_is_one_line(tmp_path: Path, rle: str) -> None:
    source = copy_case("60b-cvat-shapes", tmp_path)
    (source / XML).write_text(
        '<annotations><image name="a.jpg" width="160" height="120"><mask label="bolt"'
        f' rle="{rle}" left="20" top="30" width="40" height="25"/></image></annotations>'
    )
    found = read_regions(source)
    assert not found.regions
    assert len(found.errors) == 1


def test_skeletons_in_a_skeleton_are_one_line(tmp_path: Path) -> None:
    source = copy_case("60b-cvat-shapes", tmp_path)
    depth = 2000
    (source / XML).write_text(
        '<annotations><image name="a.jpg" width="160" height="120">'
        f"{'<skeleton>' * depth}{'</skeleton>' * depth}</image></annotations>"
    )
    found = read_regions(source)
    assert not found.regions
    assert len(found.errors) == 1
