"""CVAT's XML for video: tracks of shapes over frames -> the regions of each frame.

A track lists keyframes, and mostly the frames between them, too. An object is on the image from a shape
until one with `outside="1"`. The images of the frames are named by their numbers, from 0.
"""

import os
import shlex
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
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
_MAX_FRAMES = 300_000  # of a track: a damaged number must not fill the memory
_MAX_SEARCHED = 100  # frames whose images are looked for before the file is refused


@dataclass(frozen=True)
class _Track:
    """A track: its number, its label, and its shapes by frame, in order."""

    number: str
    label: str | None
    shapes: Mapping[int, Shape]


@dataclass(frozen=True)
class _Segment:
    """The frames of a track from `first` to before `end`, with shapes between two listed ones.

    `second` is the frame of the second shape, or equals `first` for a single frame.
    """

    order: int
    track: _Track
    first: int
    second: int

    @property
    def end(self) -> int:
        return max(self.second, self.first + 1)


@dataclass(frozen=True)
class Video:
    """The tracks of a file, in segments by their first frame. `notes` are for the user."""

    root: "Element"
    file: AnnotationFile
    segments: Sequence[_Segment]
    notes: tuple[str, ...]

    def iter_images(self) -> Iterator[AnnotatedImage]:
        size = self.root.find(".//original_size")
        sides = [None if size is None else child_text(size, side) for side in ("width", "height")]
        for frame, segments in _iter_frames(self.segments):
            found = _find_frame(self.file, frame)
            regions = tuple(_region(segment, frame) for segment in segments)
            yield AnnotatedImage(
                _frame_name(frame),
                found.path,
                self.file.path,
                regions,
                declared_size(*sides),
                found.error,
            )


def _iter_frames(segments: Sequence[_Segment]) -> Iterator[tuple[int, list[_Segment]]]:
    """Iterate over the frames with a region, in order, and the segments on each."""
    waiting = deque(segments)
    active: list[_Segment] = []
    frame = 0
    while waiting or active:
        if not active:
            frame = max(frame, waiting[0].first)
        while waiting and waiting[0].first <= frame:
            active.append(waiting.popleft())
        yield frame, sorted(active, key=lambda segment: segment.order)
        frame += 1
        active = [segment for segment in active if segment.end > frame]


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
    segments: list[_Segment] = []
    left_out = ended = 0
    last = _last_frame(root)
    for order, track in enumerate(tracks):
        visible, missing = _segments(order, track, file.path)
        left_out += missing
        segments += visible
        end = max(track.shapes, default=0)
        is_open = bool(track.shapes) and not track.shapes[end].is_outside
        ended += is_open and last is not None and end < last
    segments.sort(key=lambda segment: segment.first)
    _check_images(file, root, segments, last)
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
    return Video(root, file, segments, tuple(notes))


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


def _segments(order: int, track: _Track, path: str) -> tuple[list[_Segment], int]:
    """Return where a track is visible, and how many frames between keyframes are not known.

    Raises InputError for a track over too many frames.
    """
    numbers = list(track.shapes)
    if numbers and numbers[-1] - numbers[0] > _MAX_FRAMES:
        raise InputError(
            f"{path}: a track goes from frame {numbers[0]} to {numbers[-1]}: expected at most"
            f" {_MAX_FRAMES} frames"
        )
    visible: list[_Segment] = []
    missing = 0
    for first, second in zip(numbers, [*numbers[1:], 0][: len(numbers)], strict=True):
        shape = track.shapes[first]
        if shape.is_outside:
            continue
        is_gap = second > first + 1
        is_known = is_gap and _is_known(shape, track.shapes[second])
        visible.append(_Segment(order, track, first, second if is_known else first))
        missing += second - first - 1 if is_gap and not is_known else 0
    return visible, missing


def _is_known(first: Shape, second: Shape) -> bool:
    """Return whether the way between two shapes is known. Each frame reports a malformed one."""
    try:
        return interpolate(first, second, 0.5) is not None
    except InputError:
        return True


def _region(segment: _Segment, frame: int) -> Region:
    track = segment.track
    is_number = track.number.isdecimal() and len(track.number) < 10
    number = int(track.number) if is_number else track.number
    extra = {**track.shapes[segment.first].extra, "track": number, "frame": frame}
    return Region(track.label, partial(_mark, segment, frame), extra)


def _mark(segment: _Segment, frame: int) -> MarkSpec:
    track = segment.track
    shape: Shape | None = track.shapes[segment.first]
    if shape and frame > segment.first:
        share = (frame - segment.first) / (segment.second - segment.first)
        shape = interpolate(shape, track.shapes[segment.second], share)
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


def _frames_command(video: str, file: AnnotationFile) -> str:
    """Return the command that writes the frames of a video where they are looked for."""
    folder = os.path.join(os.path.dirname(file.path), "images")
    pattern = shlex.quote(os.path.join(folder, "frame_%06d.png"))
    return f"mkdir -p {shlex.quote(folder)} && ffmpeg -i {shlex.quote(video)} -start_number 0 {pattern}"


def _check_images(
    file: AnnotationFile, root: "Element", segments: Sequence[_Segment], last: int | None
) -> None:
    """Raise InputError if no frame has an image, or if the images count from 1."""
    video = root.findtext(".//source") or "of this file"
    command = _frames_command(root.findtext(".//source") or "VIDEO", file)
    after = None if last is None else _find_frame(file, last + 1)
    if after and not after.is_missing and _find_frame(file, 0).is_missing:
        raise InputError(
            f"{file.path} counts the frames of the video {video} from 0, and the images count them from"
            f" 1: write the images again: {command}"
        )
    for frame, _ in islice(_iter_frames(segments), _MAX_SEARCHED):
        if not _find_frame(file, frame).is_missing:
            return
    if not segments:
        raise InputError(
            f"{file.path} is about a video without regions: expected tracks with shapes"
        )
    searched = _find_frame(file, segments[0].first).error
    if root.findtext(".//mode") == "annotation":
        raise InputError(
            f"{file.path} is of a task with images, and numbers them instead of naming them"
            f" ({searched}): export the task from CVAT as 'CVAT for images 1.1'"
        )
    raise InputError(
        f"{file.path} is about the video {video}, and its frames are no images ({searched}); else"
        f" export it from CVAT with images, or write them: {command}"
    )
