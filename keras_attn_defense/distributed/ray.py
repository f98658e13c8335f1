"""Evaluations on the workers of a Ray cluster."""

import contextlib
import itertools
import logging
from collections.abc import Generator
from collections.abc import Iterable
from typing import Any

import keras

from .._arguments import check_count
from .._arguments import check_number
from ..evaluation.fingerprint import contents
from ..evaluation.records import Records
from ..evaluation.workers import Task
from . import parcel
from .crew import Crew
from .worker import HOW_TO_SEND
from .worker import Worker
from .worker import settings_of


class Ray:
    """Workers of a Ray cluster, for `evaluate_robustness(workers=...)`.

    Each worker is a process with a copy of the model, on a device of its own,
    and attacks one block of images after another. This process reads the data,
    keeps the results, and shows the progress of all. The report is the one
    that a single process makes, in every number but the seconds, as far as the
    devices compute alike. What a lost worker had to do goes on at another one,
    from the last attack that was finished.

    Where Ray is initialized (`ray.init(address=...)`), the workers run on that
    cluster. If not, that of the environment variable `RAY_ADDRESS` is joined,
    or one is started on this machine and ended again.

    Args:
        num_workers: The number of workers. None takes as many as there is room
            for. Workers for which there is no room yet begin later.
        num_cpus: CPU cores of a worker.
        num_gpus: GPUs of a worker; 0.5 puts two workers on one GPU.

    Example:

    ```python
    import ray

    ray.init(num_cpus=2, include_dashboard=False)
    report = kad.evaluate_robustness(
        model, x, y, attacks="fgsm", workers=kad.distributed.Ray(num_workers=2)
    )
    ray.shutdown()
    ```
    """

    def __init__(
        self,
        num_workers: int | None = None,
        *,
        num_cpus: float = 1,
        num_gpus: float = 0,
    ) -> None:
        self.num_workers = (
            None
            if num_workers is None
            else check_count("num_workers", num_workers)
        )
        self.num_cpus = check_number("num_cpus", num_cpus, above=True)
        self.num_gpus = check_number("num_gpus", num_gpus)
        _imported()

    def attack(
        self, runner: Any, tasks: Iterable[Task]
    ) -> Generator[tuple[int, Records]]:
        """Does the work of an evaluation; `evaluate_robustness` calls it.

        Args:
            runner: What attacks a block.
            tasks: Blocks of images, with what is left to do of them.

        Yields:
            The number of a block and its results so far.

        Raises:
            ValueError: If model or attacks cannot be sent to workers, or the
                cluster has no room for one.
            RuntimeError: If a block takes three workers with it.
        """
        tasks = iter(tasks)
        first = next(tasks, None)
        if first is None:  # Nothing is left to do.
            return
        tasks = itertools.chain([first], tasks)
        content, expected = _sent(runner)
        ray = _imported()
        with _cluster(ray):
            self._check_room(ray.cluster_resources())
            free = self._room(ray.available_resources())
            actors = ray.remote(
                num_cpus=self.num_cpus,
                num_gpus=self.num_gpus,
                runtime_env={
                    "env_vars": {"KERAS_BACKEND": keras.backend.backend()}
                },
            )(Worker)
            content, settings = ray.put(content), settings_of()

            def hire():
                actor = actors.remote()
                return actor, actor.prepare.remote(content, settings)

            crew = Crew(ray, hire, runner, expected)
            yield from crew.attack(tasks, self.num_workers or max(free, 1))

    def _room(self, resources):
        """The number of workers that there is room for."""
        room = resources.get("CPU", 0) / self.num_cpus
        if self.num_gpus:
            room = min(room, resources.get("GPU", 0) / self.num_gpus)
        return int(room)

    def _check_room(self, resources):
        if not self._room(resources):
            raise ValueError(
                f"A worker takes {self.num_cpus:g} CPU cores and "
                f"{self.num_gpus:g} GPUs, and the cluster has "
                f"{resources.get('CPU', 0):g} and {resources.get('GPU', 0):g}. "
                "Lower `num_cpus` or `num_gpus`, or add machines first."
            )


def _sent(runner):
    """Returns what workers get, and what they have to find in it."""
    expected = contents(runner.victim, runner.entries)
    try:
        return parcel.packed(runner), expected
    except Exception as error:  # Code of users can raise any.
        words = " ".join(f"{type(error).__name__}: {error}".split())
        raise ValueError(
            "The model or an attack cannot be sent to workers: "
            f"{words} {HOW_TO_SEND}"
        ) from None


@contextlib.contextmanager
def _cluster(ray):
    """A scope with a cluster, which is ended if it was begun here."""
    begins = not ray.is_initialized()
    if begins:
        ray.init(
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.WARNING,
        )
    try:
        yield
    finally:
        if begins:
            ray.shutdown()


def _imported():
    try:
        import ray
    except ImportError:
        raise ImportError(
            "`kad.distributed.Ray` needs Ray, which is not installed. Install "
            "it with `pip install ray` or `pip install "
            "keras-attn-defense[ray]`, or evaluate with `shard`, which needs "
            "nothing."
        ) from None
    return ray
