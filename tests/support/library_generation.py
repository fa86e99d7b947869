"""The slow twin of the decode loop: `generate` of transformers, with its own growing cache."""

import pytest
from transformers import DynamicCache, PretrainedConfig

from vipllava_cli.engine.local import inputs
from vipllava_cli.engine.local.decoding import Decoder


def _plain_cache(config: PretrainedConfig) -> DynamicCache:
    return DynamicCache(config=config)


def use_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all engines generate with transformers."""
    monkeypatch.setattr(Decoder, "supports_model", False)
    monkeypatch.setattr(inputs, "new_cache", _plain_cache)
