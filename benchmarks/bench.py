"""What a scenario works with: the model, the device, a folder for files."""

import gc
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from benchmarks.checkpoints import find_or_make

if TYPE_CHECKING:
    from vipllava_cli.engine.local.generate import LocalEngine

T = TypeVar("T")


@dataclass
class Bench:
    """The settings of a worker process.

    `folder` keeps files for the other workers of the run. `images` are folders of photographs.
    `argument` is that of the scenario.
    """

    size: str
    device: str
    is_quick: bool
    folder: Path
    checkpoints: Path
    images: Sequence[Path] = ()
    argument: str = ""
    _engines: dict[tuple[str | None, ...], "LocalEngine"] = field(default_factory=dict)

    def choose(self, full: T, quick: T) -> T:
        """Return the number of a full run, or that of a quick one."""
        return quick if self.is_quick else full

    @property
    def on_cuda(self) -> bool:
        return self.device.startswith("cuda")

    def model(self) -> str:
        """Return the name or the folder of the model."""
        return find_or_make(self.size, self.checkpoints)

    def open(
        self, dtype: str = "auto", quantize: str | None = None, max_memory: str | None = None
    ) -> "LocalEngine":
        """Open the model. An engine with other options is closed first."""
        key = (dtype, quantize, max_memory)
        if key not in self._engines:
            self.close()
            self._engines[key] = self._open(dtype, quantize, max_memory)
        return self._engines[key]

    def close(self) -> None:
        """Drop the open engine, and its memory."""
        import torch

        self._engines.clear()
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _open(self, dtype: str, quantize: str | None, max_memory: str | None) -> "LocalEngine":
        from vipllava_cli.engine.hardware.load_options import LoadOptions, parse_max_memory
        from vipllava_cli.engine.local.generate import LocalEngine
        from vipllava_cli.engine.open import open_engine

        limits = None if max_memory is None else parse_max_memory(max_memory)
        options = LoadOptions(self.device, dtype, quantize, limits)
        engine = open_engine(self.model(), load_options=options)
        assert isinstance(engine, LocalEngine)
        return engine
