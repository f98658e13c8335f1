"""Who does what, and what is lost with a worker, on a played cluster."""

import types

import numpy as np
import pytest

from keras_attn_defense.data import Block
from keras_attn_defense.distributed.crew import Crew
from keras_attn_defense.evaluation.packing import packed
from keras_attn_defense.evaluation.packing import unpacked
from keras_attn_defense.evaluation.runner import EvaluationRunner
from keras_attn_defense.evaluation.workers import Task
from tests.evaluation.helpers import IMAGES
from tests.evaluation.helpers import LABELS
from tests.evaluation.helpers import brightness
from tests.evaluation.helpers import gradient_attacks

pytestmark = pytest.mark.once
# Two attacks at two radii.
JOBS = 4


class Lost(Exception):
    """What Ray raises where a worker has died."""


class Failed(Exception):
    """What Ray raises where a worker's code has raised `cause`."""

    def __init__(self, cause):
        super().__init__("long and full of traces")
        self.cause = cause


class Cluster:
    """Stands in for Ray: does all in this process, and loses workers.

    Args:
        runner: The runner that all workers share.
        losses: After how many results of a block a worker is lost, by block
            and then one number for each worker that has it.
    """

    exceptions = types.SimpleNamespace(
        RayTaskError=Failed, RayActorError=Lost, ObjectLostError=Lost
    )

    def __init__(self, runner, losses=None):
        self.runner = runner
        self.losses = losses or {}
        self.hired, self.killed, self.begun, self.at_once = 0, [], [], 0

    def hire(self):
        self.hired += 1
        return Actor(self), "prepared"

    def wait(self, handles, num_returns):
        return [handles[0]], handles[1:]

    def get(self, value):
        if isinstance(value, Exception):
            raise value
        return value

    def kill(self, actor):
        self.killed.append(actor)


class Actor:
    def __init__(self, cluster):
        self.cluster = cluster
        self.attack = self

    def options(self, num_returns):
        assert num_returns == "streaming"
        return self

    def remote(self, block, checksum, arrays, skipped, expected):
        cluster = self.cluster
        done = 0 if arrays is None else int(arrays["jobs"][0])
        cluster.begun.append((block.number, done))
        return self.stream(block, checksum, arrays, skipped)

    def stream(self, block, checksum, arrays, skipped):
        runner, records = self.cluster.runner, None
        if arrays is not None:
            records = unpacked(arrays, runner.book())[block.number]
        left = self.cluster.losses.get(block.number, [])
        until = left.pop(0) if left else None
        task = Task(block, checksum, records, skipped)
        for count, found in enumerate(runner.attacked(task)):
            if count == until:
                yield Lost("killed by signal 9.")
                return
            yield packed({block.number: found})


@pytest.fixture(scope="module")
def runner():
    return EvaluationRunner(
        brightness(),
        gradient_attacks(),
        [0.03, 0.1],
        norm="linf",
        value_range=None,
        batch_size=4,
        seed=0,
        keep_images=True,
        gallery=3,
    )


def tasks(pulled=None, count=6):
    for number in range(count):
        rows = slice(4 * number, 4 * number + 4)
        if pulled is not None:
            pulled.append(number)
        block = Block(number, 4 * number, IMAGES[rows], LABELS[rows])
        yield Task(block, number, None, {})


def alone(runner):
    book = runner.book()
    for task in tasks():
        for records in runner.attacked(task):
            book.note(task.block.number, records)
    return book.joined()


def assert_same(found, expected):
    for name in ("rows", "labels", "predictions", "checksums"):
        np.testing.assert_array_equal(
            getattr(found, name), getattr(expected, name)
        )
    for name, distances in expected.distances.items():
        np.testing.assert_array_equal(found.distances[name], distances)
    np.testing.assert_array_equal(found.work[..., :3], expected.work[..., :3])
    for name, kept in expected.kept.items():
        np.testing.assert_array_equal(found.kept[name].rows, kept.rows)
        for column, images in kept.images.items():
            np.testing.assert_array_equal(
                found.kept[name].images[column], images
            )


@pytest.mark.everywhere
@pytest.mark.parametrize(
    "losses, hired",
    [({}, 2), ({0: [0], 2: [3, 0], 5: [1]}, 6)],
)
def test_lost_work_goes_on_where_it_was(runner, losses, hired):
    cluster, book, pulled = Cluster(runner, losses), runner.book(), []
    crew = Crew(cluster, cluster.hire, runner, None)
    results = 0
    for number, records in crew.attack(tasks(pulled), 2):
        book.note(number, records)
        results += 1
        # One block for each worker is read, and no more.
        unfinished = [
            each
            for each in pulled
            if each not in book.parts or book.parts[each].jobs_done < JOBS
        ]
        assert len(unfinished) <= 2
    assert results == 6 * JOBS  # Nothing was done twice.
    assert cluster.hired == hired
    assert sorted(cluster.begun)[:2] == [
        (0, 0),
        *([(0, 0)] if losses else [(1, 0)]),
    ]
    if losses:
        assert [each for each in cluster.begun if each[0] == 2] == [
            (2, 0),
            (2, 3),
            (2, 3),
        ]
    # Those that were not lost were dismissed.
    assert len(cluster.killed) == 2
    assert_same(book.joined(), alone(runner))


def test_block_that_takes_three_workers_with_it(runner):
    cluster = Cluster(runner, {1: [1, 1, 1]})
    crew = Crew(cluster, cluster.hire, runner, None)
    with pytest.raises(RuntimeError, match="block 1.*signal 9.*`state"):
        list(crew.attack(tasks(), 2))
    assert len(cluster.killed) == 1  # The other one.


def test_workers_that_cannot_begin(runner):
    cluster = Cluster(runner)

    def hire():
        cluster.hired += 1
        return "actor", Lost("out of memory.")

    crew = Crew(cluster, hire, runner, None)
    with pytest.raises(RuntimeError, match="while beginning.*out of memory"):
        list(crew.attack(tasks(), 1))
    assert cluster.hired == 3


def test_errors_of_workers_are_told_as_they_are(runner):
    cluster = Cluster(runner)

    def hire():
        return "actor", Failed(ValueError("No such layer."))

    crew = Crew(cluster, hire, runner, None)
    with pytest.raises(ValueError, match="^No such layer.$"):
        list(crew.attack(tasks(), 1))
    assert cluster.killed == ["actor"]


def test_fewer_tasks_than_workers(runner):
    cluster = Cluster(runner)
    crew = Crew(cluster, cluster.hire, runner, None)
    assert len(list(crew.attack(tasks(count=1), 8))) == JOBS
    assert cluster.hired == 1
