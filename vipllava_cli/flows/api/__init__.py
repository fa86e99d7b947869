"""The public Python API; `vipllava_cli` exports its names."""
