"""`python -m vipllava_cli`."""

from vipllava_cli.cli import app

app(prog_name="vipllava")
