"""The clip-art images of `sample_images/` and the boxes of their objects."""

from collections.abc import Mapping

from PIL import Image

from tests.conftest import SAMPLES

# Left, top, right, bottom in pixels. Some images have marks: in `zoo-red-box` a red box around the
# penguin, in `music-blue-arrow` a blue arrow to the drum, in `sky-two-marks` a red box around the rocket
# and a lime ellipse around the balloon.
PLACES: Mapping[str, Mapping[str, tuple[int, int, int, int]]] = {
    "garden": {
        "butterfly": (299, 53, 517, 242),
        "sunflower": (77, 425, 222, 612),
        "snail": (317, 320, 556, 572),
        "rose": (43, 154, 197, 373),
    },
    "farm": {
        "cow": (262, 265, 458, 457),
        "tractor": (239, 7, 465, 209),
        "chicken": (20, 413, 194, 602),
        "corn": (15, 124, 221, 289),
    },
    "breakfast": {
        "egg": (359, 217, 506, 428),
        "banana": (5, 63, 232, 318),
        "bread": (88, 339, 336, 580),
        "orange": (423, 13, 606, 199),
    },
    "street": {
        "bus": (190, 339, 407, 503),
        "bicycle": (266, 54, 487, 213),
        "car": (32, 19, 246, 164),
        "dog": (423, 403, 624, 567),
    },
    "zoo-red-box": {
        "lion": (419, 183, 608, 394),
        "elephant": (45, 257, 293, 534),
        "penguin": (87, 38, 202, 227),
        "monkey": (313, 466, 530, 639),
    },
    "music-blue-arrow": {
        "guitar": (246, 346, 492, 523),
        "drum": (181, 6, 469, 296),
        "trumpet": (30, 368, 213, 599),
    },
    "sky-two-marks": {
        "rocket": (25, 372, 244, 595),
        "helicopter": (123, 198, 337, 349),
        "balloon": (261, 382, 378, 569),
    },
}


def open_sample(name: str) -> Image.Image:
    """Open a sample image as RGB."""
    with Image.open(SAMPLES / f"{name}.png") as image:
        return image.convert("RGB")
