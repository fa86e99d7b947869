"""CVAT for video 1.1: a frame for each image, and a track for each region."""

from collections.abc import Sequence
from pathlib import Path

from tests.support.scene_formats.one_file import cvat_shape
from tests.support.scene_formats.scenes import SceneImage
from tests.support.scene_formats.written import Written


def cvat(folder: Path, images: Sequence[SceneImage]) -> Written:
    """Write tracks over one frame. Frames of this set have several sizes, so that none is declared."""
    tracks: list[str] = []
    for frame, image in enumerate(images):
        image.write(folder / "images" / f"frame_{frame:06d}.PNG")
        for region in image.regions:
            shown = cvat_shape(region, f'frame="{frame}" keyframe="1" outside="0" ')
            gone = cvat_shape(region, f'frame="{frame + 1}" keyframe="1" outside="1" ')
            label = shown.partition('label="')[2].partition('"')[0]
            tracks.append(f'<track id="{len(tracks)}" label="{label}">{shown}{gone}</track>')
    text = (
        f"<annotations><version>1.1</version><meta><task><size>{len(images)}</size>"
        "<mode>interpolation</mode><start_frame>0</start_frame>"
        f"<stop_frame>{len(images) - 1}</stop_frame><source>clip.mp4</source></task></meta>"
        f"{''.join(tracks)}</annotations>"
    )
    (folder / "annotations.xml").write_text(text, "utf-8")
    return Written(folder / "annotations.xml")
