"""Run scenarios in worker processes, each within its time, and collect what they print.

A scenario that fails, hangs or crashes leaves an error in the results, and the others still run.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import IO, Any

from benchmarks.registry import SCENARIOS

Event = dict[str, Any]
QUICK_LIMIT = 120  # seconds of a scenario in a quick run
QUICK_PROCESSES = 2  # that run at a time: the figures of a quick run mean nothing
STARTING = 60  # seconds more for the first scenario of a process, which imports and loads


@dataclass(frozen=True)
class Job:
    """A scenario with a model size."""

    name: str
    size: str


@dataclass
class Runner:
    """Runs jobs. `deadline` is a time of `time.monotonic`; jobs that would start after it do not run."""

    device: str
    is_quick: bool
    folder: Path
    checkpoints: Path
    deadline: float
    images: Sequence[Path] = ()
    _workers: "set[subprocess.Popen[bytes]]" = field(default_factory=set)

    def run(self, jobs: Sequence[Job]) -> Iterator[Event]:
        """Yield the events of all jobs, each with its size. Ctrl-C ends the workers at once."""
        groups = self._group(jobs)
        events: queue.Queue[Event | None] = queue.Queue()  # None when a group has ended

        def run_group(group: list[Job]) -> None:
            try:
                for event in self._run_group(group):
                    events.put(event)
            finally:
                events.put(None)

        with ThreadPoolExecutor(QUICK_PROCESSES if self.is_quick else 1) as threads:
            started = [threads.submit(run_group, group) for group in groups]
            running = len(groups)
            try:
                while running:
                    if (event := events.get()) is None:
                        running -= 1
                    else:
                        yield event
            except BaseException:  # the pool would wait for the scenarios
                self._stop()
                raise
            for each in started:
                each.result()  # raises what the thread raised

    def _stop(self) -> None:
        """End all workers, and start no other."""
        self.deadline = 0
        for worker in list(self._workers):
            _kill_group(worker)

    def _run_group(self, waiting: list[Job]) -> Iterator[Event]:
        """Run jobs in one process, and in another one after a failure."""
        while waiting:
            if time.monotonic() >= self.deadline:
                for job in waiting:
                    yield _failed(job, "not run: the time of the whole run was over")
                return
            yield from self._run_process(waiting)

    def _group(self, jobs: Sequence[Job]) -> list[list[Job]]:
        """Return the jobs of each process. A quick run saves processes."""
        if not self.is_quick:
            return [list(group) for _, group in groupby(jobs, key=_process)]
        groups: dict[tuple[str, bool], list[Job]] = {}
        for job in jobs:
            groups.setdefault((job.size, SCENARIOS[job.name].runs_commands), []).append(job)
        return list(groups.values())

    def _run_process(self, waiting: list[Job]) -> Iterator[Event]:
        """Run a worker until it ends or has to end. Takes the jobs that it finished from `waiting`."""
        command = [sys.executable, "-m", "benchmarks.worker", *(job.name for job in waiting)]
        command += ["--size", waiting[0].size, "--device", self.device]
        command += ["--folder", str(self.folder), "--checkpoints", str(self.checkpoints)]
        command += ["--quick"] if self.is_quick else []
        for folder in self.images:
            command += ["--images", str(folder)]
        # Two processes with two threads each would wait for each other on two cores.
        threads = {"OMP_NUM_THREADS": "1"} if self.is_quick else {}
        worker = subprocess.Popen(  # noqa: S603 - the program itself
            command, stdout=subprocess.PIPE, start_new_session=True, env={**os.environ, **threads}
        )
        self._workers.add(worker)
        events: queue.Queue[Event | None] = queue.Queue()
        assert worker.stdout is not None
        reader = threading.Thread(target=_read, args=(worker.stdout, events), daemon=True)
        reader.start()
        try:
            has_closed = yield from self._follow(waiting, events)
        finally:
            self._workers.discard(worker)
            _end(worker)
            reader.join()
            worker.stdout.close()
        if waiting and has_closed:
            yield _failed(waiting.pop(0), _describe_end(worker.returncode))

    def _follow(
        self, waiting: list[Job], events: "queue.Queue[Event | None]"
    ) -> Generator[Event, None, bool]:
        """Yield events until the worker has finished, closes its output or exceeds a limit.

        Returns whether the worker closed its output.
        """
        end = time.monotonic() + self._limit(waiting[0]) + STARTING
        while True:
            left = min(end, self.deadline) - time.monotonic()
            try:
                event = events.get(timeout=max(left, 0))
            except queue.Empty:
                job = waiting.pop(0)
                whole = "the run" if self.deadline <= end else f"{job.name} ({self._limit(job)} s)"
                yield _failed(job, f"stopped: the time of {whole} was over")
                return False
            if event is None:
                return True
            yield event | {"size": waiting[0].size}
            if event["event"] == "end":
                waiting.pop(0)
                if not waiting:
                    return False
                end = time.monotonic() + self._limit(waiting[0])

    def _limit(self, job: Job) -> int:
        return QUICK_LIMIT if self.is_quick else SCENARIOS[job.name].limit


def _process(job: Job) -> tuple[str, str]:
    """Return what is equal for neighbours that share a process."""
    return job.size, job.name if SCENARIOS[job.name].alone else ""


def _failed(job: Job, reason: str) -> Event:
    return {"event": "error", "scenario": job.name, "size": job.size, "reason": reason}


def _describe_end(code: int) -> str:
    if code == -signal.SIGKILL:
        return "the process was killed: the memory may have been full"
    return f"the process ended with exit code {code}"


def _read(lines: IO[bytes], events: "queue.Queue[Event | None]") -> None:
    for line in lines:
        events.put(json.loads(line))
    events.put(None)


def _end(worker: "subprocess.Popen[bytes]") -> None:
    """End a worker and its children, if it has not ended by itself."""
    try:
        worker.wait(timeout=5 if worker.poll() is None else 0)
    except subprocess.TimeoutExpired:
        _kill_group(worker)
        worker.wait()


def _kill_group(worker: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError):
        os.killpg(worker.pid, signal.SIGKILL)
