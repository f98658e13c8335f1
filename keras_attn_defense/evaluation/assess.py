"""The way from an evaluation's arguments to its report."""

from ..data import number_of_images
from ..preprocessing.built_in import check_built_in_scale
from .call import repeated_call
from .checks import Context
from .checks import not_checked
from .checks import run_checks
from .confidence import check_confidence
from .fingerprint import describe
from .fingerprint import fingerprint
from .gallery import make_gallery
from .report import RobustnessReport
from .sample import Sample
from .sample import limited
from .sample import taken
from .shard import images_of_shard

# Batches held in memory at once: enough that what is left of them after a
# strong attack still fills batches for the next.
_BATCHES_OF_BLOCK = 4


def assess(
    runner,
    x,
    y,
    state,
    *,
    attacks,
    limit,
    identity,
    shard=None,
    workers=None,
    confidence,
    checks,
    name,
    dataset,
):
    """Runs an evaluation, or the rest of one, and makes its report.

    Args:
        runner: The `EvaluationRunner`.
        x: Images, or a data set of `(images, labels)` batches.
        y: Labels, if `x` are images.
        state: The `State`.
        attacks: The argument that named the attacks.
        limit: The number of images to use, or None.
        identity: What the user calls the model and the attacks, or None.
        shard: `(index, count)`, or None for all images. What needs the whole,
            flags and pictures, is then left out.
        workers: The `Workers`, or None for this process.
        confidence: The probability that the intervals cover.
        checks: True, False or `"thorough"`.
        name: The name of the model, or None.
        dataset: The name of the data, or None.
    """
    confidence = check_confidence(confidence)
    checks = _check_checks(checks)
    seed, batch_size = runner.seed, runner.predictor.batch_size
    check_built_in_scale(runner.victim, runner.threat.value_range)
    total = number_of_images(x, None)
    x, y, rows = limited(x, y, limit, seed)
    size = _BATCHES_OF_BLOCK * batch_size
    blocks = runner.blocks(x, y, size, limit, shard)
    known = fingerprint(
        runner.victim,
        blocks.first,
        runner.entries,
        runner.threat,
        identity,
        certain=state.path is not None,
        seed=seed,
        batch_size=batch_size,
        limit=limit,
        keep_images=runner.keep_images,
        gallery=runner.gallery,
    )
    sample = Sample(blocks, seed)
    count = images_of_shard(number_of_images(x, limit), size, shard)
    records = runner.run(sample, count, state, known, workers)
    flags, pictures = not_checked("`checks` is off."), None
    if shard is not None:
        flags = not_checked("It is a part of the data: merge all, then check.")
    elif checks:
        thorough = checks == "thorough"
        drawn = sample.drawn()
        flags = run_checks(
            Context(runner.predictor, records, drawn, seed, thorough)
        )
    if shard is None:
        pictures = make_gallery(runner.model, runner.predictor, records)
    about = describe(
        runner.victim, name, dataset, attacks, seed, records, known
    )
    about["call"] = repeated_call(attacks, runner, limit, shard)
    about["images"] = taken(len(records), total, limit, rows, shard)
    rows = records.rows if rows is None else rows[records.rows]
    return RobustnessReport(records, flags, confidence, about, rows, pictures)


def _check_checks(checks):
    if checks not in (True, False, "thorough"):
        raise ValueError(
            "`checks` should be True, False or 'thorough'. Received: "
            f"checks={checks!r}"
        )
    return checks
