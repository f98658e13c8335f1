"""From the shards of an evaluation to the report of the whole."""

import json
from collections.abc import Sequence
from typing import Any

from .._typing import Model
from .._typing import Path
from .._typing import Tensor
from .assess import assess
from .report import RobustnessReport
from .runner import EvaluationRunner
from .state import check_rows
from .state_file import damaged
from .state_file import differences
from .state_file import read_state


def merge(
    files: Sequence[Path],
    model: Model,
    x: Any,
    y: Tensor | None = None,
    *,
    attacks: Any = None,
    confidence: float = 0.95,
    checks: bool | str = True,
    name: str | None = None,
    dataset: str | None = None,
    verbose: int | str = "auto",
) -> RobustnessReport:
    """Makes one report of the shards of an evaluation.

    It is the report that `evaluate_robustness` gives without shards, in every
    number but the seconds. Nothing is attacked again; the red flags are looked
    for in the whole. Settings are read from the files.

    Args:
        files: The state files of all shards, in any order.
        model: The model, function or view that was evaluated.
        x: All of the data, as it was given to each shard.
        y: Labels, if `x` are images.
        attacks: The attacks that were evaluated, if some of them were not
            named by a text; None reads the names from the files.
        confidence: The probability that the confidence intervals cover.
        checks: Whether to check for signs that the numbers deceive;
            `"thorough"` takes more images and more steps for it.
        name: Name of the model, for the card. None takes the model's own.
        dataset: Name of the data, for the card.
        verbose: `"auto"` or 1 for a progress bar, 2 for one line, 0 for
            silence.

    Returns:
        A `RobustnessReport`.

    Raises:
        ValueError: If a shard is missing, not finished, damaged, there twice,
            or of another evaluation, or model or data are others; the error
            names the file.

    Example:

    ```python
    files = ["shard-0.npz", "shard-1.npz"]
    settings = {"attacks": "fgsm", "batch_size": 1}
    for index, file in enumerate(files):  # Each on a machine of its own.
        kad.evaluate_robustness(
            model, x, y, shard=(index, 2), state=file, **settings
        )
    report = kad.evaluation.merge(files, model, x, y)
    ```
    """
    found = _read(files)
    attacks = found[0].attacks if attacks is None else attacks
    if attacks is None:
        raise ValueError(
            "The files do not name the attacks: some of them were objects. "
            "Pass to `merge` the same `attacks` as to `evaluate_robustness`."
        )
    known = found[0].fingerprint
    try:
        threat = known["threat_model"]
        runner = EvaluationRunner(
            model,
            attacks,
            threat["epsilons"],
            norm=threat["norm"],
            value_range=tuple(threat["value_range"]),
            batch_size=known["batch_size"],
            seed=known["seed"],
            keep_images=known["keep_images"],
            gallery=known["gallery"],
            verbose=verbose,
        )
        limit, identity = known["limit"], known["identity"]
    except (KeyError, TypeError) as error:
        raise damaged(found[0].path, f"It lacks {error}.") from None
    return assess(
        runner,
        x,
        y,
        _Shards(found),
        attacks=attacks,
        limit=limit,
        identity=identity,
        confidence=confidence,
        checks=checks,
        name=name,
        dataset=dataset,
    )


def _read(files):
    """Returns all `StateFile`s of an evaluation in the order of shards."""
    if isinstance(files, (str, bytes)) or not len(files):
        raise ValueError(
            "`files` should be a list of the state files of all shards. "
            f"Received: files={files!r}"
        )
    by_shard = {}
    for file in map(read_state, files):
        shard = file.shard or (0, 1)
        first = next(iter(by_shard.values()), file)
        _check_together(first, file)
        if shard in by_shard:
            raise ValueError(
                f"{by_shard[shard].title} and {file.title} are one and the "
                "same shard. Name each shard once."
            )
        by_shard[shard] = file
    (_, count), *_ = by_shard
    if len(by_shard) < count:
        missing = (i for i in range(count) if (i, count) not in by_shard)
        index = next(missing)
        raise ValueError(
            f"{count - len(by_shard)} of {count} shards are missing, the first "
            f"of them shard {index}. Evaluate it with the same arguments and "
            f"shard={(index, count)}, and name its state file too."
        )
    for file in by_shard.values():
        if not file.complete:
            raise ValueError(
                f"{file.title} is not finished: it holds "
                f"{len(file.arrays.get('blocks', ()))} blocks. Evaluate it "
                "again with the same arguments: it goes on where it stopped."
            )
    return [by_shard[shard] for shard in sorted(by_shard)]


def _check_together(one, other):
    """Raises a `ValueError` unless two files are of one evaluation."""
    (_, count), (_, other_count) = (f.shard or (0, 1) for f in (one, other))
    shards = {"number of shards": count}, {"number of shards": other_count}
    different = [
        *differences(*shards),
        *differences(one.fingerprint, other.fingerprint),
    ]
    if different:
        raise ValueError(
            f"{one.title} and {other.title} are of different evaluations, from "
            f"the first to the second: {'; '.join(different)}. Merge shards "
            "that were evaluated with the same arguments."
        )


class _Shards:
    """The state of an evaluation of which nothing is left to do.

    Args:
        files: The `StateFile`s in the order of shards.
    """

    def __init__(self, files):
        self._files = files
        self.path = files[0].path

    def load(self, book, fingerprint):
        now = json.loads(json.dumps(fingerprint))
        different = list(differences(self._files[0].fingerprint, now))
        if different:
            raise ValueError(
                f"{self._files[0].title} was evaluated with another model, "
                f"attacks or settings than these: {'; '.join(different)}. Pass "
                "to `merge` what the shards were evaluated with."
            )
        for index, file in enumerate(self._files):
            for number, records in file.records(book).items():
                if number % len(self._files) != index:
                    raise damaged(file.path, f"Block {number} is not its own.")
                if records.jobs_done < book.jobs:
                    raise damaged(file.path, f"Block {number} is unfinished.")
                book.note(number, records)

    def save(self, book):
        """Does nothing: all is saved."""

    def check_known(self, records, block, checksum):
        file = self._file(block)
        if records.checksums[0] != checksum:
            raise ValueError(
                f"{file.title} belongs to other data: block {block.number} of "
                "images or labels differs. Pass to `merge` the data that the "
                "shards were evaluated on, in the same order."
            )
        check_rows(file.path, records, block)

    def check_new(self, block, book):
        raise ValueError(
            f"{self._file(block).title} belongs to other data: it ended before "
            f"image {block.first}, and there are more. Pass to `merge` the "
            "data that the shards were evaluated on."
        )

    def finish(self, book, total):
        if len(book) > total:
            raise ValueError(
                f"The shards belong to other data: they know {len(book)} "
                f"images, and there are {total}. Pass to `merge` the data that "
                "they were evaluated on."
            )

    def _file(self, block):
        return self._files[block.number % len(self._files)]
