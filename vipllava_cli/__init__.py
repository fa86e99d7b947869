"""Ask a vision-language model about marked regions of images.

    from vipllava_cli import Box, load_model

    model = load_model("tiny")
    answer = model.ask("street.jpg", "what is in the red box?", marks=[Box(120, 80, 340, 300)])
    print(answer.text)

Importing the package is cheap: torch is imported by `load_model`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vipllava_cli.engine.options import GenerationOptions
    from vipllava_cli.errors import (
        GenerationError,
        InputError,
        ModelError,
        OutOfMemoryError,
        UsageError,
        VipllavaError,
    )
    from vipllava_cli.flows.api.chat import ImageChat
    from vipllava_cli.flows.api.inputs import draw
    from vipllava_cli.flows.api.model import Model, load_model
    from vipllava_cli.flows.api.response import Response, read_records
    from vipllava_cli.marks.shapes import (
        Arrow,
        Box,
        Contour,
        Ellipse,
        Mask,
        Point,
        Scribble,
        Triangle,
    )

__version__ = "0.1.0"

__all__ = [
    "Arrow",
    "Box",
    "Contour",
    "Ellipse",
    "GenerationError",
    "GenerationOptions",
    "ImageChat",
    "InputError",
    "Mask",
    "Model",
    "ModelError",
    "OutOfMemoryError",
    "Point",
    "Response",
    "Scribble",
    "Triangle",
    "UsageError",
    "VipllavaError",
    "__version__",
    "draw",
    "load_model",
    "read_records",
]

# Where each name is defined. They load on first use: `vipllava --help` needs none of them.
_HOMES = {
    "vipllava_cli.engine.options": ("GenerationOptions",),
    "vipllava_cli.errors": (
        "GenerationError",
        "InputError",
        "ModelError",
        "OutOfMemoryError",
        "UsageError",
        "VipllavaError",
    ),
    "vipllava_cli.flows.api.chat": ("ImageChat",),
    "vipllava_cli.flows.api.inputs": ("draw",),
    "vipllava_cli.flows.api.model": ("Model", "load_model"),
    "vipllava_cli.flows.api.response": ("Response", "read_records"),
    "vipllava_cli.marks.shapes": (
        "Arrow",
        "Box",
        "Contour",
        "Ellipse",
        "Mask",
        "Point",
        "Scribble",
        "Triangle",
    ),
}


if not TYPE_CHECKING:  # otherwise every misspelled name would be Any

    def __getattr__(name: str) -> Any:
        for home, names in _HOMES.items():
            if name in names:
                return getattr(import_module(home), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
