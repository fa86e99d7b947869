"""What `batch` does with earlier answers to other requests: refuse, keep both or replace."""

from dataclasses import replace

from vipllava_cli.errors import UsageError
from vipllava_cli.flows.batch import record_ids
from vipllava_cli.flows.batch.conflicts import check_repeated_ids
from vipllava_cli.flows.batch.task import BatchTask, OnConflict
from vipllava_cli.sources.rows import Source
from vipllava_cli.storage.journal import Journal


def choose_on_conflict(*, append: bool, fresh: bool, force: bool) -> OnConflict:
    """Return what happens to earlier answers to other requests. Raises UsageError."""
    if append and fresh:
        raise UsageError(
            "--append keeps the earlier answers and --fresh drops them: give one of them"
        )
    if append:
        return OnConflict.keep_both
    return OnConflict.replace if force else OnConflict.refuse


def check_conflicts(task: BatchTask, source: Source, journal: Journal, *, force: bool) -> BatchTask:
    """Check that the run replaces no answer to another request. Returns the task for the run.

    A source that cannot be read twice is checked row by row during the run. Raises InputError.
    """
    if not force:
        check_repeated_ids(journal)
    if task.on_conflict is not OnConflict.refuse or not source.is_rereadable:
        return task
    if journal.has_answers:
        record_ids.check_conflicts(task, source.rows, journal)
    # What looks like a conflict from here on is a row in another place of the source.
    return replace(task, on_conflict=OnConflict.keep_both)
