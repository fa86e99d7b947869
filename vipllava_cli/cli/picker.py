"""A window in which the user drags boxes with the mouse."""

import os
import subprocess
import sys

import cv2
import numpy as np
from PIL import Image

from vipllava_cli.errors import UsageError

_TITLE = "vipllava: drag a box, SPACE or ENTER keeps it, ESC ends"
_MAX_WIDTH, _MAX_HEIGHT = 1400, 900  # pixels of the window

_NO_DISPLAY = (
    "--pick opens a window, and there is no display: log in with `ssh -X`, or give the box as"
    " --box X1,Y1,X2,Y2"
)

Corners = tuple[float, float, float, float]


def pick_boxes(image: Image.Image) -> list[Corners]:
    """Let the user drag boxes. Returns left, top, right, bottom in pixels of the image.

    Raises UsageError if no window opens.
    """
    if not _can_open_window():
        raise UsageError(_NO_DISPLAY)
    os.environ.setdefault("QT_LOGGING_RULES", "default.warning=false")  # Qt warns about fonts
    scale = min(1.0, _MAX_WIDTH / image.width, _MAX_HEIGHT / image.height)
    size = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
    try:
        boxes = cv2.selectROIs(
            _TITLE,
            cv2.cvtColor(np.array(image.resize(size)), cv2.COLOR_RGB2BGR),
            showCrosshair=False,
            printNotice=False,  # OpenCV prints it on stdout, which belongs to the boxes
        )
        cv2.destroyAllWindows()
    except cv2.error as error:
        raise UsageError(f"{_NO_DISPLAY} ({error.err})") from None
    return [
        (x / scale, y / scale, (x + width) / scale, (y + height) / scale)
        for x, y, width, height in np.asarray(boxes, float).reshape(-1, 4).tolist()
        if width > 0 and height > 0
    ]


def _can_open_window() -> bool:
    """Return whether OpenCV can open a window. Another process tries it, because Qt may abort."""
    if sys.platform == "linux" and not os.environ.get("DISPLAY"):
        return False
    probe = "import cv2; cv2.namedWindow('probe'); cv2.destroyAllWindows()"
    return (
        subprocess.run([sys.executable, "-c", probe], capture_output=True, check=False).returncode
        == 0
    )


def as_corners(corners: Corners) -> str:
    """Format corners as `--box` reads them: `120,80,340,300`."""
    return ",".join(f"{round(value, 1):g}" for value in corners)
