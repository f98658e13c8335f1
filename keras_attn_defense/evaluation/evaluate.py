"""One call from a model and images to its robustness."""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from .._arguments import check_count
from .._typing import Model
from .._typing import Norm
from .._typing import Path
from .._typing import Tensor
from .._typing import ValueRange
from ..attacks import Attack
from .assess import assess
from .report import RobustnessReport
from .runner import EvaluationRunner
from .shard import check_shard
from .state import State
from .workers import Workers

_Attack = Attack | Callable[..., Any]


def evaluate_robustness(
    model: Model,
    x: Any,
    y: Tensor | None = None,
    *,
    attacks: str
    | _Attack
    | Sequence[str | _Attack]
    | Mapping[str, str | _Attack] = "quick",
    epsilons: float | Sequence[float] | None = None,
    norm: Norm = "linf",
    value_range: ValueRange | None = None,
    batch_size: int = 128,
    limit: int | None = None,
    seed: int = 0,
    state: Path | None = None,
    shard: tuple[int, int] | None = None,
    workers: Workers | None = None,
    keep_images: bool = False,
    gallery: int = 0,
    confidence: float = 0.95,
    checks: bool | str = True,
    name: str | None = None,
    dataset: str | None = None,
    identity: str | None = None,
    verbose: int | str = "auto",
) -> RobustnessReport:
    """Measures how many images a model classifies correctly under attack.

    An image counts as robust at an epsilon if no attack found an adversarial
    image within that distance. Success is judged by a fresh prediction, after
    a check that the attack kept to the rules. With several epsilons each
    attack begins with the smallest, and only what withstood it is attacked
    again.

    Memory does not grow with the data, but for some numbers an image.

    Args:
        model: A Keras classifier, a function from images to logits, or a
            `kad.attacks.BPDA`.
        x: Images `(num, height, width, channels)`, NumPy or tensor; or a data
            set of `(images, labels)` batches: `tf.data`, a `PyDataset`, a
            PyTorch `DataLoader`, or any iterable.
        y: Labels, if `x` are images: class indices or one-hot.
        attacks: `"quick"` (FGSM, PGD with 20 steps and 3 restarts, in `"l1"`
            APGD, and Square with 200 queries), `"autoattack"`, the name of
            another attack (see `kad.attacks.get`), an attack, one of another
            library or a function (see `kad.adapters`), a list of names and
            attacks, or a dict of attacks by name.
        epsilons: One radius or several, in the units of the images. None takes
            the radius that the attacks carry, or else 8/255 of the value range
            (`"l2"`: 0.5 times it, `"l1"`: 12 times it).
        norm: `"linf"`, `"l2"` or `"l1"`.
        value_range: `(lower, upper)` bounds of the images. None takes the
            model's `value_range`, or else `(0.0, 1.0)`.
        batch_size: Images in one call of the model.
        limit: Use only so many images: of arrays a sample, drawn with `seed`,
            in which each class keeps its share; of a data set the first ones.
            None uses all.
        seed: Integer seed of all attacks.
        state: A file to save to after each attack. An evaluation that was
            interrupted, called again with the same arguments, goes on from
            there and ends with the same numbers. A file of another model,
            other data, other attacks or other settings is refused.
        shard: `(index, count)`: evaluate one of `count` parts of the data, and
            save it to `state`, from which `merge` makes the report of the
            whole. Parts are counted from 0. Of each `count` blocks of four
            batches, a part has one; so the length of a data set need not be
            known, and data that is sorted makes no part harder than others.
        workers: Who attacks the images, such as `kad.distributed.Ray()`. None
            is this process.
        keep_images: Whether to keep the adversarial images, in memory and in
            the state file.
        gallery: The number of images to keep for `report.save("report.html")`,
            with attacked versions and attention maps of each. They are drawn
            with `seed`, each with the same chance.
        confidence: The probability that the confidence intervals cover.
        checks: Whether to check for signs that the numbers deceive;
            `"thorough"` takes more images and more steps for it.
        name: Name of the model, for the card. None takes the model's own.
        dataset: Name of the data, for the card.
        identity: With `state`, a name of your own for a model or an attack
            that is known by its results only, where these differ from call to
            call: a random function, or a random attack of another library.
            Change it whenever you change the model or the attack.
        verbose: `"auto"` or 1 for a progress bar, 2 for one line, 0 for
            silence.

    Returns:
        A `RobustnessReport`.

    Raises:
        ValueError: If arguments, images or labels are not what is expected,
            no attack can work on the model or one leaves its ball, or the
            state file is damaged or belongs to another evaluation. An attack
            that needs a gradient where the model has none is left out, as
            long as another one is there; a flag says so.

    Example:

    ```python
    report = kad.evaluate_robustness(model, x, y, epsilons=[4 / 255, 8 / 255])
    report.summary()
    report.save("card.json")
    ```
    """
    shard = None if shard is None else check_shard(shard, state)
    runner = EvaluationRunner(
        model,
        attacks,
        epsilons,
        norm=norm,
        value_range=value_range,
        batch_size=batch_size,
        seed=seed,
        keep_images=keep_images,
        gallery=check_count("gallery", gallery, lowest=0),
        verbose=verbose,
    )
    return assess(
        runner,
        x,
        y,
        State(state, shard, attacks),
        attacks=attacks,
        limit=None if limit is None else check_count("limit", limit),
        identity=identity,
        shard=shard,
        workers=workers,
        confidence=confidence,
        checks=checks,
        name=name,
        dataset=dataset,
    )
