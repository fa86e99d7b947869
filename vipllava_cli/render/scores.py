"""The shares of right answers as tables."""

from rich.console import Console
from rich.table import Table

from vipllava_cli.evals.examples import Shares


def score_tables(shares: Shares) -> None:
    """Print a table for each thing that answers are grouped by."""
    console = Console(highlight=False)
    for what, groups in shares.items():
        table = Table(box=None, padding=(0, 2, 0, 0))
        table.add_column("right", justify="right")
        table.add_column("of", justify="right")
        table.add_column(what)
        for name, share in sorted(groups.items()):
            table.add_row(f"{share.share:.1%}", str(share.of), name)
        console.print(table)
        console.print()
