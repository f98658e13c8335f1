"""Workers that share tasks, and what happens when one of them is lost."""

import collections
import itertools
from typing import Any
from typing import NamedTuple

from ..evaluation.packing import packed
from .worker import from_arrays

# A block that has taken so many workers with it is not tried again.
_MOST_LOSSES = 3


class Crew:
    """Workers, each of which has one task at a time.

    Args:
        ray: The module.
        hire: Function that starts a worker, and returns its actor and a
            reference to wait for until it is ready.
        runner: The `EvaluationRunner`.
        expected: What workers have to find in model and attacks, or None.
    """

    def __init__(self, ray, hire, runner, expected):
        self._ray = ray
        self._hire = hire
        self._runner = runner
        self._expected = expected
        self._members = collections.deque()
        self._losses = collections.Counter()

    def attack(self, tasks, count):
        """Does all tasks, and yields the records of a block after each job.

        Args:
            tasks: The tasks; one for each worker is held in memory.
            count: The number of workers.
        """
        first = list(itertools.islice(tasks, count))
        self._tasks = itertools.chain(first, tasks)
        self._returned = []
        for _ in first:
            self._join()
        try:
            while self._members:
                yield from self._next()
        finally:
            for member in self._members:
                self._ray.kill(member.actor)

    def _join(self):
        self._members.append(_Member(*self._hire(), None))

    def _next(self):
        """Waits until a worker has something to tell."""
        handles = [member.handle for member in self._members]
        (ready,), _ = self._ray.wait(handles, num_returns=1)
        place = next(i for i, each in enumerate(handles) if each is ready)
        member = self._members[place]
        del self._members[place]
        errors = self._ray.exceptions
        try:
            if member.task is None:
                self._ray.get(ready)  # It is prepared.
                self._assign(member.actor)
                return
            arrays = self._ray.get(next(ready))
        except StopIteration:
            self._assign(member.actor)
        except errors.RayTaskError as error:
            self._members.append(member)  # To be ended with the others.
            raise (error.cause or error) from None
        except (errors.RayActorError, errors.ObjectLostError) as error:
            self._lose(member.task, error)
        else:
            records = from_arrays(arrays, self._runner)[member.number]
            task = member.task._replace(records=records)
            # At the end of the queue, so that all are heard.
            self._members.append(member._replace(task=task))
            yield member.number, records

    def _assign(self, actor):
        """Gives a worker the next task, or dismisses it."""
        task = self._returned.pop() if self._returned else None
        task = task or next(self._tasks, None)
        if task is None:
            self._ray.kill(actor)
            return
        records = task.records
        arrays = records and packed({task.block.number: records})
        stream = actor.attack.options(num_returns="streaming").remote(
            task.block, task.checksum, arrays, task.skipped, self._expected
        )
        self._members.append(_Member(actor, stream, task))

    def _lose(self, task, error):
        """Replaces a worker, and keeps what it had to do for another one."""
        number = None if task is None else task.block.number
        self._losses[number] += 1
        if self._losses[number] == _MOST_LOSSES:
            where = "beginning" if task is None else f"attacking block {number}"
            reason = " ".join(str(error).split())
            raise RuntimeError(
                f"{_MOST_LOSSES} workers were lost while {where}, the last one "
                f"with: {reason} Memory is the usual reason: take a smaller "
                "`batch_size`, or fewer workers. With `state`, what was done "
                "is not lost."
            ) from None
        if task is not None:
            self._returned.append(task)
        self._join()


class _Member(NamedTuple):
    """A worker and what it does.

    Args:
        actor: The worker.
        handle: What to wait for: the end of its preparation, or its results.
        task: The `Task`, with the results so far; None while it prepares.
    """

    actor: Any
    handle: Any
    task: Any

    @property
    def number(self):
        """The number of the block."""
        return self.task.block.number
