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
from ..classifier.predictor import Predictor
from ..data import number_of_images
from ..preprocessing.built_in import check_built_in_scale
from .call import repeated_call
from .checks import Context
from .checks import not_checked
from .checks import run_checks
from .confidence import check_confidence
from .fingerprint import check_identified
from .fingerprint import describe
from .fingerprint import fingerprint
from .gallery import make_gallery
from .report import RobustnessReport
from .runner import EvaluationRunner
from .sample import Sample
from .sample import limited
from .sample import taken
from .state import State

_Attack = Attack | Callable[..., Any]

# Batches held in memory at once: enough that what is left of them after a
# strong attack still fills batches for the next.
_BATCHES_OF_BLOCK = 4


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
    confidence = check_confidence(confidence)
    limit = None if limit is None else check_count("limit", limit)
    gallery = check_count("gallery", gallery, lowest=0)
    checks = _check_checks(checks)
    runner = EvaluationRunner(
        model,
        attacks,
        epsilons,
        norm=norm,
        value_range=value_range,
        batch_size=batch_size,
        seed=seed,
        keep_images=keep_images,
        gallery=gallery,
        verbose=verbose,
    )
    check_built_in_scale(runner.victim, runner.threat.value_range)
    total = number_of_images(x, None)
    x, y, rows = limited(x, y, limit, seed)
    blocks = runner.blocks(x, y, _BATCHES_OF_BLOCK * batch_size, limit)

    # Files of evaluations without pictures stay as they are.
    shown = {"gallery": gallery} if gallery else {}

    def identified():
        return fingerprint(
            Predictor(runner.victim, batch_size),
            blocks.first,
            runner.entries,
            runner.threat,
            identity,
            seed=seed,
            batch_size=batch_size,
            limit=limit,
            keep_images=keep_images,
            **shown,
        )

    known = identified()
    if state is not None:
        check_identified(known, identified())
    sample = Sample(blocks, seed)
    records = runner.run(
        sample, number_of_images(x, limit), State(state, known)
    )
    flags = not_checked("`checks` is off.")
    if checks:
        thorough = checks == "thorough"
        flags = run_checks(
            Context(runner.predictor, records, sample.drawn(), seed, thorough)
        )
    about = describe(
        runner.victim, name, dataset, attacks, seed, records, known
    )
    about["call"] = repeated_call(attacks, runner, limit)
    about["images"] = taken(len(records), total, limit, rows)
    pictures = make_gallery(model, runner.predictor, records)
    return RobustnessReport(records, flags, confidence, about, rows, pictures)


def _check_checks(checks):
    if checks not in (True, False, "thorough"):
        raise ValueError(
            "`checks` should be True, False or 'thorough'. Received: "
            f"checks={checks!r}"
        )
    return checks
