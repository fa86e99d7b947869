"""Tell photographs from clip-art by the texture of their pixels."""

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

# `benchmarks/scenarios/photographs.py` measures this threshold. Photographs score more, clip-art less.
THRESHOLD = 0.0205

_SPREAD_SIDE, _EDGE_SIDE = 128, 192  # pixels of the longer side of the examined images
_NOISE = 0.5  # grey levels: keeps an image of one colour from dividing by zero

_Grey = NDArray[np.float32]  # [height, width], 0-255


def looks_like_photograph(image: Image.Image) -> bool:
    """Return whether an RGB image has texture nearly everywhere, as photographs and scans have."""
    return photograph_score(image) > THRESHOLD


def photograph_score(image: Image.Image) -> float:
    """Measure how evenly texture is spread, times how strong it is beside the edges. About 0 to 0.3.

    Texture is the difference of a pixel from the median of its 3x3 neighbourhood. The median follows
    the edges, gradients and flat areas of clip-art, but not grain, hair or leaves. Both
    factors are ratios, so that contrast does not matter.
    """
    texture = _texture(_grey(image, _SPREAD_SIDE))
    spread = float(texture.mean() ** 2 / ((texture**2).mean() + _NOISE**2))
    grey = _grey(image, _EDGE_SIDE)
    edges = np.hypot(np.diff(grey, axis=1)[:-1], np.diff(grey, axis=0)[:, :-1])
    strength = float(_texture(grey).mean() / ((edges.mean() if edges.size else 0.0) + _NOISE))
    return spread * strength


def _grey(image: Image.Image, side: int) -> _Grey:
    """Return grey levels, resized to a longer side of `side` pixels."""
    scale = side / max(image.size)
    size = tuple(max(round(length * scale), 1) for length in image.size)
    method = Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC
    resized = image.resize((size[0], size[1]), method)
    return np.asarray(resized.convert("L"), dtype=np.float32)


def _texture(grey: _Grey) -> _Grey:
    texture: _Grey = np.abs(grey - cv2.medianBlur(grey, 3))
    return texture
