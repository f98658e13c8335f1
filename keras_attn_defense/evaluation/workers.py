"""Who does the work of an evaluation."""

from collections.abc import Generator
from collections.abc import Iterable
from typing import Any
from typing import NamedTuple
from typing import Protocol

from ..data import Block
from .records import Records


class Task(NamedTuple):
    """What is left to do of a block.

    Args:
        block: The `Block`.
        checksum: That of its images and labels.
        records: Its `Records` so far, or None.
        skipped: Attacks that could not work on other blocks, and why.
    """

    block: Block
    checksum: int
    records: Records | None
    skipped: dict[str, str]


class Workers(Protocol):
    """Whoever attacks blocks: this process, or others.

    Results follow from the block alone. So tasks may be done in any order, by
    several at a time, and once more where a worker was lost.
    """

    def attack(
        self, runner: Any, tasks: Iterable[Task]
    ) -> Generator[tuple[int, Records]]:
        """Does all tasks, and yields results after each job.

        Args:
            runner: The `EvaluationRunner`.
            tasks: The tasks. Each reads its block when it is asked for.

        Yields:
            The number of a block and its `Records` so far.
        """


class InThisProcess:
    """Attacks one block after another."""

    def attack(
        self, runner: Any, tasks: Iterable[Task]
    ) -> Generator[tuple[int, Records]]:
        for task in tasks:
            for records in runner.attacked(task):
                yield task.block.number, records
