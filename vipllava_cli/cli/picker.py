"""A window in which boxes are dragged with the mouse."""

import os
import subprocess
import sys

import cv2
import numpy as np
from PIL import Image

from vipllava_cli.errors import UsageError

_TITLE = "vipllava: drag a box, SPACE or ENTER keeps it, ESC ends"
_WIDEST, _HIGHEST = 1400, 900

_NO_DISPLAY = (
    "--pick opens a window, and there is no display here: give the box as --box X1,Y1,X2,Y2"
    " (any image viewer shows coordinates), or log in with `ssh -X`"
)

Corners = tuple[float, float, float, float]


def pick_boxes(image: Image.Image) -> list[Corners]:
    """The boxes dragged, in pixels of the image: left, top, right, bottom. Raises UsageError."""
    if not _window_opens():
        raise UsageError(_NO_DISPLAY)
    os.environ.setdefault("QT_LOGGING_RULES", "default.warning=false")  # remarks on fonts
    scale = min(1.0, _WIDEST / image.width, _HIGHEST / image.height)
    shown = image.resize((max(round(image.width * scale), 1), max(round(image.height * scale), 1)))
    try:
        dragged = cv2.selectROIs(
            _TITLE,
            cv2.cvtColor(np.array(shown), cv2.COLOR_RGB2BGR),
            showCrosshair=False,
            printNotice=False,  # it would land among the answers on stdout
        )
        cv2.destroyAllWindows()
    except cv2.error as error:
        raise UsageError(f"{_NO_DISPLAY} ({error.err})") from None
    return [
        (x / scale, y / scale, (x + width) / scale, (y + height) / scale)
        for x, y, width, height in np.asarray(dragged, float).reshape(-1, 4).tolist()
        if width > 0 and height > 0
    ]


def _window_opens() -> bool:
    """Whether OpenCV can open a window: tried in another process, because Qt ends its own if not."""
    if sys.platform == "linux" and not os.environ.get("DISPLAY"):
        return False
    probe = "import cv2; cv2.namedWindow('probe'); cv2.destroyAllWindows()"
    return (
        subprocess.run([sys.executable, "-c", probe], capture_output=True, check=False).returncode
        == 0
    )


def as_corners(corners: Corners) -> str:
    """`120,80,340,300`, as `--box` reads it."""
    return ",".join(f"{round(value, 1):g}" for value in corners)
