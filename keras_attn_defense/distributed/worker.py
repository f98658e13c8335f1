"""What runs in the processes of workers."""

import platform

import keras
import numpy as np

from ..evaluation.fingerprint import contents
from ..evaluation.fingerprint import versions
from ..evaluation.packing import packed
from ..evaluation.packing import unpacked
from ..evaluation.state_file import differences
from ..evaluation.workers import Task
from . import parcel


class Worker:
    """Attacks blocks in a process of its own, on its own device."""

    def prepare(self, content, settings):
        """Takes in the evaluation.

        Args:
            content: The `EvaluationRunner`, as `parcel.packed` returned it.
            settings: What `settings_of` returned in the process that sent it.
        """
        different = list(differences(settings["versions"], versions()))
        if different:
            raise ValueError(
                f"The worker on '{platform.node()}' has other versions: "
                f"{'; '.join(different)}. Install the same there."
            )
        keras.config.set_image_data_format(settings["image_data_format"])
        keras.config.set_floatx(settings["floatx"])
        keras.config.set_epsilon(settings["epsilon"])
        try:
            self._runner = parcel.unpacked(content)
        except Exception as error:  # Code of users can raise any.
            raise ValueError(
                "A worker could not rebuild the model or an attack: "
                f"{_words(error)} {HOW_TO_SEND}"
            ) from None
        self._checked = False

    def attack(self, block, checksum, arrays, skipped, expected):
        """Attacks a block, and yields its records, packed, after each job.

        Args:
            block: The `Block`.
            checksum: That of its images and labels.
            arrays: Its records so far, packed, or None.
            skipped: Attacks that could not work on other blocks, and why.
            expected: What `contents` finds where the model came from, or None.
        """
        # Ray shares memory between processes: what it passes is read-only.
        block = block._replace(
            images=np.array(block.images), labels=np.array(block.labels)
        )
        runner = self._runner
        runner.try_out(block.images)
        if expected is not None and not self._checked:
            check_arrived(expected, contents(runner.victim, runner.entries))
            self._checked = True
        records = None
        if arrays is not None:
            records = from_arrays(arrays, runner)[block.number]
        task = Task(block, checksum, records, skipped)
        for records in runner.attacked(task):
            yield packed({block.number: records})


HOW_TO_SEND = (
    "Workers get what Keras can save and load again: layers with `get_config`, "
    "functions that can be pickled, and code that is installed there too. Or "
    "evaluate a `shard` in each of several processes that build the model "
    "themselves, and `kad.evaluation.merge` their files."
)


def settings_of():
    """Returns what has to be the same in all processes."""
    return {
        "versions": versions(),
        "image_data_format": keras.config.image_data_format(),
        "floatx": keras.config.floatx(),
        "epsilon": keras.config.epsilon(),
    }


def check_arrived(sent, found):
    """Raises a `ValueError` unless model and attacks are what was sent.

    Args:
        sent: What `contents` found in the process that sent them.
        found: What it finds here.
    """
    different = list(differences(sent, found))
    if different:
        raise ValueError(
            "The model or an attack changed on the way to a worker: "
            f"{'; '.join(different)}. Attributes that are not in `get_config` "
            f"are lost. {HOW_TO_SEND}"
        )


def from_arrays(arrays, runner):
    """Returns records that `packed` packed, in memory of their own."""
    arrays = {name: np.array(array) for name, array in arrays.items()}
    return unpacked(arrays, runner.book())


def _words(error):
    return " ".join(f"{type(error).__name__}: {error}".split())
