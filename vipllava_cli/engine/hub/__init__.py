"""Find and download model checkpoints."""

import os
from urllib.parse import urlsplit

from vipllava_cli.errors import ModelError

try:  # the hub's client parses the address when it is imported
    _ = urlsplit(os.environ.get("HF_ENDPOINT", "")).port
except ValueError:
    raise ModelError(
        "HF_ENDPOINT is not an address: expected one like https://huggingface.co, or unset it"
    ) from None
