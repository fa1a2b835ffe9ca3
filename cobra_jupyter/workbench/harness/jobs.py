"""Background jobs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cobra_jupyter.workbench import results


@dataclass
class Job:
    """A background call with its `result`. `state` is running, done, failed or cancelled."""

    id: str
    what: str
    started: float
    asked: results.JobAsked  # the call and its arguments, so that it can be repeated
    state: str = "running"
    seconds: float = 0.0
    result: Any = None
    error: str | None = None
    cancelled: threading.Event = field(default_factory=threading.Event, repr=False)

    def record(self, running: bool | None = None) -> results.Job:
        """Return the job's record; `running` overrides the current state."""
        running = self.state == "running" if running is None else running
        return {
            "id": self.id,
            "what": self.what,
            "asked": self.asked,
            "state": "running" if running else self.state,
            "error": None if running else self.error,
            "seconds": round(time.time() - self.started if running else self.seconds, 3),
            "result": None if running or self.result is None else self.result.get("data", {}).get("id"),
        }


class Jobs:
    """The jobs of a run."""

    def __init__(self, emit: Callable[[str, Mapping[str, Any]], None]) -> None:
        self._emit = emit
        self._jobs: dict[str, Job] = {}
        self._next = 1
        self._changed = threading.Condition()

    def new_id(self) -> str:
        """Return an unused id."""
        with self._changed:
            self._next += 1
            return f"j{self._next - 1:02d}"

    def start(
        self, id: str, what: str, asked: results.JobAsked, work: Callable[[threading.Event], Any]
    ) -> Job:
        """Run `work` in a thread; `asked` is the call."""
        job = Job(id, what, time.time(), asked)
        self._next = max(self._next, int(id[1:]) + 1)
        self._jobs[job.id] = job
        self._emit(results.JOB, job.record())
        threading.Thread(target=self._run, args=(job, work), name=job.id, daemon=True).start()
        return job

    def _run(self, job: Job, work: Callable[[threading.Event], Any]) -> None:
        state = "failed"
        try:
            job.result = work(job.cancelled)
            failed = job.result.get("data", {}).get("failure") and job.result["data"].get("score") is None
            state = "cancelled" if job.cancelled.is_set() else "failed" if failed else "done"
        except Exception as error:  # part of the job's record
            job.error = f"{type(error).__name__}: {error}"
        job.seconds = time.time() - job.started
        self._emit(
            results.JOB, {**job.record(running=False), "state": state, "seconds": round(job.seconds, 3)}
        )
        with self._changed:  # after the record, so that waiting threads find it
            job.state = state
            self._changed.notify_all()

    def restore(self, record: results.Job, result: Any) -> None:
        """Register a job that ended before a restart of the harness."""
        self._jobs[record["id"]] = Job(
            id=record["id"],
            what=record["what"],
            started=0.0,
            asked=record["asked"],
            state=record["state"],
            seconds=record["seconds"],
            result=result,
            error=record["error"],
        )

    def number_from(self, number: int) -> None:
        """Set the number of the next job."""
        self._next = number

    def all(self) -> list[Job]:
        return list(self._jobs.values())

    def running(self) -> list[Job]:
        return [job for job in self._jobs.values() if job.state == "running"]

    def named(self, ids: list[str] | None) -> list[Job]:
        """Return the jobs with these ids (None: all). Raises KeyError that names unknown ids."""
        unknown = set(ids or ()) - set(self._jobs)
        if unknown:
            raise KeyError(
                f"there is no job {', '.join(sorted(unknown))}; there are: {', '.join(self._jobs) or 'none'}"
            )
        return [job for job in self._jobs.values() if ids is None or job.id in ids]

    def wait(self, ids: list[str] | None, seconds: float, cancelled: threading.Event) -> list[Job]:
        """Wait until these jobs have ended, at most `seconds`."""
        wanted = self.named(ids)
        end = time.monotonic() + seconds
        with self._changed:
            while (
                any(job.state == "running" for job in wanted)
                and time.monotonic() < end
                and not cancelled.is_set()
            ):
                self._changed.wait(0.2)
        return wanted

    def cancel_all(self) -> None:
        for job in self.running():
            job.cancelled.set()
