"""The location of each part of a model, and the device that computes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vipllava_cli.engine.hardware.machine import Location
from vipllava_cli.engine.hardware.memory_needs import MemoryNeeds
from vipllava_cli.engine.hardware.model_spec import LAYER

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Placement:
    """A location for each part of a model.

    `locations` is keyed by the part's module. `main_device` (`cuda:0`, `mps`, `cpu`) receives the
    prompts and images, and computes the parts on the disk, or in main memory beside a GPU.
    `budgets` are the usable bytes by location. `batch_size` is the number of prompts that fit into
    one batch. `dtype_reason` says why the program chose the precision.
    """

    needs: MemoryNeeds
    locations: Mapping[str, Location]
    main_device: str
    budgets: Mapping[Location, int]
    batch_size: int = 1
    attention: str = "auto"
    dtype_reason: str = ""

    @property
    def input_device(self) -> "torch.device":
        """The main device as torch names it. Imports torch."""
        import torch

        return torch.device(self.main_device)

    @property
    def dtype_name(self) -> str:
        """The precision of the decoder: a dtype or a quantization."""
        return self.needs.quantize or self.needs.dtype

    @property
    def device_map(self) -> dict[str, Location]:
        """The `device_map` argument of transformers."""
        used = set(self.locations.values())
        return {"": used.pop()} if len(used) == 1 else dict(self.locations)

    def weights_at(self, location: Location) -> int:
        """Return the bytes of the weights at a location."""
        return sum(
            self.needs.weights(part)
            for part in self.needs.spec.parts
            if self.locations[part.module] == location
        )

    def cache_at(self, location: Location) -> int:
        """Return the bytes of one prompt's KV cache for the layers that a location computes."""
        layers = [part for part in self.needs.spec.parts if part.kind == LAYER]
        computed = [
            compute_location(self.locations[layer.module], self.main_device) for layer in layers
        ]
        return self.needs.layer_cache * computed.count(location)


def compute_location(location: Location, main_device: str) -> Location:
    """Return where a part at `location` is computed: on its own GPU, else on the main device."""
    if isinstance(location, int) or location == "mps":
        return location
    if main_device.startswith("cuda"):
        return int(main_device.removeprefix("cuda:"))
    return main_device


def location_name(location: Location) -> str:
    """Name a location for a message: `GPU 0`, `the CPU`, `the disk`."""
    if isinstance(location, int):
        return f"GPU {location}"
    return {"cpu": "the CPU", "disk": "the disk"}.get(location, location)
