"""How a question and the image refer to a mark. Imported by `--help`: pure Python."""

from enum import StrEnum


class ReferenceStyle(StrEnum):
    """The styles of `--mark-style`."""

    drawn = "drawn"
    numbered = "numbered"
    coordinates = "coordinates"
    coordinates_drawn = "coordinates+drawn"
    crop = "crop"

    @property
    def draws_marks(self) -> bool:
        """Whether the model sees the marks on the image."""
        return self is not ReferenceStyle.coordinates

    @property
    def writes_places(self) -> bool:
        """Whether questions contain the coordinates of marks."""
        return self in (ReferenceStyle.coordinates, ReferenceStyle.coordinates_drawn)

    @property
    def recorded(self) -> str | None:
        """The value in a record: None for drawn marks, as records of version 0.1.0 have no style."""
        return None if self is ReferenceStyle.drawn else self.value

    def needs_numbers(self, marks: int) -> bool:
        """Return whether the numbers of so many marks are drawn, because questions name them."""
        return self is ReferenceStyle.numbered or (self is ReferenceStyle.crop and marks > 1)


AUTO = "auto"  # the style of the model's family
WITHOUT_COORDINATES = tuple(style.value for style in ReferenceStyle if not style.writes_places)
