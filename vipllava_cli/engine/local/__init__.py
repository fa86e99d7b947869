"""Inference with transformers in this process. Importing this package imports torch."""

from vipllava_cli.engine.local.deferred_imports import defer_imports

defer_imports()
