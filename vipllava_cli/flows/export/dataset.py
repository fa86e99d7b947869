"""Images with their regions, and the answers about them: what every format is written from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from vipllava_cli.flows.export.region_places import RegionPlaces
from vipllava_cli.marks.types import Mark
from vipllava_cli.storage.counts import count_noun

UNLABELLED = "unlabelled"  # the class of regions without a label, where a format needs one


@dataclass(frozen=True)
class Answer:
    """One answer, or the error in its place.

    `choices` maps each choice to its probability; it is empty for a free answer. `fields` holds the
    values of named fields, and `field_probabilities` the probabilities of their choices.
    """

    question: str
    text: str | None
    model: str = ""
    revision: str = ""
    choices: Mapping[str, float] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)
    field_probabilities: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
    record_id: str = ""

    @property
    def probability(self) -> float | None:
        """The probability of the answer among the choices. None for a free answer."""
        return None if self.text is None else self.choices.get(self.text)


@dataclass
class Region:
    """A region of an image. `mark` is in pixels of the upright image.

    `mark` is None for a region of the source that has no valid mark. `number` is that of the region
    in its source, from 1, or None. `extra` holds the other fields of the source.
    """

    mark: Mark | None
    label: str | None = None
    number: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    is_relabelled: bool = False


@dataclass
class Group:
    """The answers about some regions of an image, together. `regions` are positions in its list."""

    regions: tuple[int, ...]
    answers: list[Answer] = field(default_factory=list)


@dataclass
class ExportImage:
    """An image, its size in pixels after the EXIF turn, its regions, and the answers.

    `name` is the path or address as a record holds it, `id` the name of the image in its source.
    """

    id: str
    name: str
    size: tuple[int, int]
    regions: list[Region] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list, init=False)
    _by_regions: dict[tuple[int, ...], Group] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def places(self) -> RegionPlaces:
        """The regions by their place."""
        return RegionPlaces(self.regions)

    def group(self, regions: tuple[int, ...]) -> Group:
        """Return the group of these regions. Adds it if there is none."""
        found = self._by_regions.get(regions)
        if found is None:
            found = self._by_regions[regions] = Group(regions)
            self.groups.append(found)
        return found

    def answers_of(self, region: int) -> list[Answer]:
        """Return the answers about a region alone."""
        group = self._by_regions.get((region,))
        return [*group.answers] if group else []

    @property
    def answers(self) -> list[Answer]:
        """The answers about the image, or about several of its regions."""
        return [a for group in self.groups if len(group.regions) != 1 for a in group.answers]

    def merge(self, other: "ExportImage") -> None:
        """Take the regions and the answers of another entry for this image."""
        first = len(self.regions)
        self.regions += other.regions
        for group in other.groups:
            shifted = tuple(first + position for position in group.regions)
            self.group(shifted).answers += group.answers

    def marked(self) -> Iterator[tuple[int, Region, Mark]]:
        """Iterate over the regions with a mark, with their positions."""
        for position, region in enumerate(self.regions):
            if region.mark is not None:
                yield position, region, region.mark


@dataclass
class Dataset:
    """Images in order. `classes` are the labels that the source declares. `notes` are for the user."""

    images: list[ExportImage]
    classes: Sequence[str] = ()
    notes: list[str] = field(default_factory=list)

    def merge_images(self) -> None:
        """Give each image once, with all its regions: a source may list an image several times."""
        merged: dict[str, ExportImage] = {}
        for image in self.images:
            first = merged.setdefault(image.name, image)
            if first is not image:
                first.merge(image)
        self.images = list(merged.values())

    def drop_unread_images(self) -> None:
        """Remove the images of a source whose size is unknown."""
        self.images = [image for image in self.images if image.size[0]]

    def note_invalid_regions(self) -> None:
        """Add a note about regions without a valid mark, which only a copy of the source can keep."""
        regions = [region for image in self.images for region in image.regions]
        invalid = sum(region.mark is None for region in regions)
        if invalid:
            self.notes.append(
                f"{count_noun(invalid, 'region')} of --source without a valid mark: left out"
            )

    def labels(self, default: str | None = None) -> list[str]:
        """Return the classes, then other labels as they occur.

        `default` stands for the label of regions without one.
        """
        labels = dict.fromkeys(self.classes)
        for image in self.images:
            for _, region, _ in image.marked():
                label = region.label or default
                if label:
                    labels.setdefault(label)
        return list(labels)

    def answers(self) -> Iterator[Answer]:
        """Iterate over all answers."""
        for image in self.images:
            for group in image.groups:
                yield from group.answers
