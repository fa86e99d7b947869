"""CVAT's XML for video: tracks of shapes over frames -> the regions of each frame.

A track lists keyframes, and mostly the frames between them, too. An object is on the image from a shape
until one with `outside="1"`. The images of the frames are named by their numbers, from 0.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.marks.types import MarkSpec
from vipllava_cli.sources.cvat_shapes import Shape, interpolate, iter_shapes, shape_mark
from vipllava_cli.sources.image_finder import FoundImage
from vipllava_cli.sources.one_file import AnnotationFile
from vipllava_cli.sources.regions import AnnotatedImage, Region, declared_size, to_number
from vipllava_cli.sources.xml_files import child_text
from vipllava_cli.storage.counts import count_noun

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_SUFFIXES = (".PNG", ".png", ".jpg", ".jpeg", ".JPG")  # CVAT writes .PNG
_MAX_FRAMES = 1_000_000  # of a track: a damaged number must not fill the memory
_MAX_SEARCHED = 100  # frames whose images are looked for before the file is refused


@dataclass(frozen=True)
class _Track:
    """A track: its number, its label, and its shapes by frame, in order."""

    number: str
    label: str | None
    shapes: Mapping[int, Shape]


@dataclass(frozen=True)
class _Visible:
    """A track on a frame, between the shapes at two frames. They are equal on a listed frame."""

    track: _Track
    first: int
    second: int


@dataclass(frozen=True)
class Video:
    """The tracks of a file by frame. `notes` are for the user."""

    root: "Element"
    file: AnnotationFile
    frames: Mapping[int, list[_Visible]]
    notes: tuple[str, ...]

    def iter_images(self) -> Iterator[AnnotatedImage]:
        size = self.root.find(".//original_size")
        sides = [None if size is None else child_text(size, side) for side in ("width", "height")]
        for frame in sorted(self.frames):
            found = _find_frame(self.file, frame)
            regions = tuple(_region(visible, frame) for visible in self.frames[frame])
            yield AnnotatedImage(
                _frame_name(frame),
                found.path,
                self.file.path,
                regions,
                declared_size(*sides),
                found.error,
            )


def read_video(file: AnnotationFile, root: "Element") -> Video:
    """Read the tracks of a file. Raises InputError, also if no frame has an image."""
    elements = root.findall("track")
    tasks = {element.get("task_id") for element in elements}
    if len(tasks) > 1:
        raise InputError(
            f"{file.path} contains the videos of {len(tasks)} tasks, whose frames have the same"
            " numbers: export each task on its own"
        )
    tracks = [_track(element, file.path) for element in elements]
    frames: dict[int, list[_Visible]] = defaultdict(list)
    left_out = ended = 0
    last = _last_frame(root)
    for track in tracks:
        visible, missing = _visible_frames(track)
        left_out += missing
        for frame, each in visible:
            frames[frame].append(each)
        end = max(track.shapes, default=0)
        ended += last is not None and end < last and not track.shapes[end].is_outside
    _check_images(file, root, frames, last)
    notes = []
    if left_out:
        notes.append(
            f"{file.path}: skipped {count_noun(left_out, 'region')} between keyframes: only boxes,"
            " ellipses, cuboids and points move along lines"
        )
    if ended:
        notes.append(
            f'{file.path}: {count_noun(ended, "track")} without outside="1" at the end: read up to'
            " the last frame that the track lists"
        )
    return Video(root, file, frames, tuple(notes))


def _track(element: "Element", path: str) -> _Track:
    shapes: dict[int, Shape] = {}
    for shape in iter_shapes(element):
        number = to_number(shape.values.get("frame"))
        if not isinstance(number, float) or not number.is_integer() or number < 0:
            found = short_repr(shape.values.get("frame"))
            raise InputError(f"{path}: expected the number of a frame in a track, found {found}")
        shapes[int(number)] = shape
    return _Track(
        element.get("id", ""),
        element.get("label"),
        {frame: shapes[frame] for frame in sorted(shapes)},
    )


def _visible_frames(track: _Track) -> tuple[list[tuple[int, _Visible]], int]:
    """Return the frames on which a track is visible, and how many between keyframes are not known.

    Raises InputError for a track over too many frames.
    """
    numbers = list(track.shapes)
    visible: list[tuple[int, _Visible]] = []
    missing = 0
    if numbers and numbers[-1] - numbers[0] > _MAX_FRAMES:
        raise InputError(
            f"track {track.number} goes from frame {numbers[0]} to {numbers[-1]}: expected at most"
            f" {_MAX_FRAMES} frames"
        )
    for first, second in zip(numbers, [*numbers[1:], None], strict=True):
        shape = track.shapes[first]
        if shape.is_outside:
            continue
        visible.append((first, _Visible(track, first, first)))
        if second is None or second == first + 1:
            continue
        try:
            is_known = interpolate(shape, track.shapes[second], 0.5) is not None
        except InputError:
            is_known = True  # each of the frames reports it
        between = range(first + 1, second)
        missing += 0 if is_known else len(between)
        if is_known:
            visible += ((frame, _Visible(track, first, second)) for frame in between)
    return visible, missing


def _region(visible: _Visible, frame: int) -> Region:
    track = visible.track
    shape = track.shapes[visible.first]
    extra = {
        **shape.extra,
        "track": int(track.number) if track.number.isdecimal() else track.number,
    }
    return Region(track.label, partial(_mark, visible, frame), {**extra, "frame": frame})


def _mark(visible: _Visible, frame: int) -> MarkSpec:
    track = visible.track
    shape: Shape | None = track.shapes[visible.first]
    if shape and visible.second > visible.first:
        share = (frame - visible.first) / (visible.second - visible.first)
        shape = interpolate(shape, track.shapes[visible.second], share)
    if shape is None:
        raise InputError(f"frame {frame} is between two keyframes of another shape")
    return shape_mark(shape, track.label)


# --- images ----------------------------------------------------------------------------------


def _frame_name(frame: int) -> str:
    return f"frame_{frame:06d}"


def _find_frame(file: AnnotationFile, frame: int) -> FoundImage:
    return file.find_image([_frame_name(frame) + suffix for suffix in _SUFFIXES])


def _last_frame(root: "Element") -> int | None:
    """Return the last frame of the task, or None if the file does not say."""
    number = to_number(root.findtext(".//stop_frame"))
    return int(number) if isinstance(number, float) and number.is_integer() else None


def _check_images(
    file: AnnotationFile, root: "Element", frames: Mapping[int, list[_Visible]], last: int | None
) -> None:
    """Raise InputError if no frame has an image, or if the images count from 1."""
    video = root.findtext(".//source") or "a video"
    command = "ffmpeg -i VIDEO -start_number 0 images/frame_%06d.png"
    after = None if last is None else _find_frame(file, last + 1)
    if after and not after.is_missing and _find_frame(file, 0).is_missing:
        raise InputError(
            f"{file.path} counts the frames of {video} from 0, and the images count them from 1:"
            f" write the images again, with {command}"
        )
    for frame in sorted(frames)[:_MAX_SEARCHED]:
        if not _find_frame(file, frame).is_missing:
            return
    if not frames:
        raise InputError(
            f"{file.path} is about a video without regions: expected tracks with shapes"
        )
    searched = _find_frame(file, min(frames)).error
    raise InputError(
        f"{file.path} is about {video}, and its frames are no images here ({searched}): export it"
        f" with images, or as 'CVAT for images 1.1', or run {command}"
    )
