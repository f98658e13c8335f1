"""The command `train`, which hardens a model and goes on after a kill."""

import pathlib
import shlex
import sys

import keras
import numpy as np

from ..callbacks import Resume
from ..callbacks import RobustCheckpoint
from ..callbacks import TrainingLog
from ..callbacks import WeightAveraging
from ..classifier import as_classifier
from ..datasets.sampling import stratified_sample
from ..models import AttentionDefendedModel
from ..models.compilation import ensure_compiled
from ..models.presets import NAMES
from .arguments import add_batch_size
from .arguments import add_command
from .arguments import number
from .arguments import positive
from .arguments import share
from .checked import data_options
from .checked import load_model
from .data import load_data

_DEFAULT = "attention"
_SUMMARY = "Trains a model to withstand attacks; goes on if it was killed."
_EPILOG = """\
Some images are held out of training, to measure accuracy after each epoch. The
folder --out receives

  best.keras      the plain classifier of the most robust epoch
  defended.keras  the same, as an AttentionDefendedModel
  log.csv         losses and accuracies of each epoch
  resume          what a training that was killed goes on from

recipes: attention (the defaults of AttentionDefendedModel, and the default
here), or a published one, which docs/recipes.md compares: madry, trades,
trades-awp, mart, score, alp, n-fgsm, fgsm-rs, grad-align, paper, authors; with
--teacher also ard and rslad.

examples:
  python -m keras_attn_defense train model.keras --data train.npz --out runs/1
  a published recipe with its optimizer:
    python -m keras_attn_defense train model.keras --data cifar10 \\
      --recipe trades --epochs 76 --optimizer sgd --learning-rate 0.1 \\
      --weight-decay 2e-4 --augment --out runs/trades"""


def add_to(commands):
    """Adds the command.

    Args:
        commands: The object that `add_subparsers` returned.
    """
    parser = add_command(
        commands, "train", run, _SUMMARY, _EPILOG, split="train"
    )
    add_batch_size(parser)
    parser.set_defaults(hint=_hint)
    parser.add_argument(
        "--out",
        required=True,
        metavar="FOLDER",
        help="the folder of this training; the same command goes on from there",
    )
    parser.add_argument(
        "--recipe",
        choices=[_DEFAULT, *(name for name in NAMES if name != "ensemble")],
        default=_DEFAULT,
        metavar="NAME",
        help="how adversarial images are made and learned (default: "
        "%(default)s), see below",
    )
    parser.add_argument(
        "--teacher",
        metavar="MODEL.KERAS",
        help="a robust model to learn from, for the recipes ard and rslad",
    )
    parser.add_argument(
        "--epsilon",
        type=number,
        help="radius of the attack of the recipe, in the units of the images: "
        "8/255 or 0.03 (default: the recipe's)",
    )
    parser.add_argument(
        "--epochs", type=positive, default=30, help="(default: %(default)s)"
    )
    parser.add_argument(
        "--optimizer",
        choices=("adam", "sgd"),
        default="adam",
        help="sgd has momentum 0.9 (default: %(default)s)",
    )
    parser.add_argument(
        "--learning-rate",
        type=number,
        default=1e-3,
        metavar="RATE",
        help="at the beginning; it falls to zero as a cosine (default: "
        "%(default)s)",
    )
    parser.add_argument(
        "--weight-decay",
        type=number,
        metavar="RATE",
        help="share of the weights that a step takes away, times the learning "
        "rate (default: none)",
    )
    parser.add_argument(
        "--augment",
        action="store_true",
        help="mirror and shift the images by up to an eighth, at random",
    )
    parser.add_argument(
        "--averaging",
        type=share,
        metavar="MOMENTUM",
        help="average the weights over the steps, for instance with 0.995",
    )
    parser.add_argument(
        "--held-out",
        type=positive,
        default=1000,
        metavar="N",
        help="images held out, but at most a tenth (default: %(default)s)",
    )


def run(args):
    """Runs the command.

    Args:
        args: The parsed arguments.

    Returns:
        The exit code.
    """
    base = load_model(args.model)
    options = data_options(args, as_classifier(base))
    images, labels = load_data(args.data, options._replace(split="train"))
    training, held_out = _split(images, labels, args)
    keras.utils.set_random_seed(args.seed)
    model = _defended(base, options.value_range, args)
    steps = args.epochs * -(-len(training[0]) // args.batch_size)
    ensure_compiled(model, _optimizer(steps, args))
    folder = pathlib.Path(args.out)
    folder.mkdir(parents=True, exist_ok=True)
    best = folder / "defended.keras"
    # Averages first: what comes after them sees the averaged weights.
    averaging = (
        [] if args.averaging is None else [WeightAveraging(args.averaging)]
    )
    history = model.fit(
        *training,
        batch_size=args.batch_size,
        epochs=args.epochs,
        validation_data=held_out,
        callbacks=[
            *averaging,
            RobustCheckpoint(best),
            TrainingLog(folder / "log.csv"),
            Resume(folder / "resume", seed=args.seed),
        ],
        verbose=1 if sys.stdout.isatty() else 2,
    ).history
    plain = folder / "best.keras"
    load_model(str(best)).base.save(plain)
    _print_summary(history, len(held_out[0]), plain, args)
    return 0


def _split(images, labels, args):
    """Returns `(images, labels)` to train on, and those held out."""
    if labels is None:
        raise ValueError(
            f"The data '{args.data}' contains images but no labels. Add them "
            "as y: `np.savez(path, x=images, y=labels)`."
        )
    count = min(args.held_out, len(images) // 10)
    if not count:
        raise ValueError(
            f"The data '{args.data}' has {len(images)} images, of which a "
            "tenth is held out of training. Expected at least 10."
        )
    rows = stratified_sample(labels, count, args.seed)
    rest = np.setdiff1d(np.arange(len(images)), rows)
    return (images[rest], labels[rest]), (images[rows], labels[rows])


def _defended(base, value_range, args):
    """Returns the model around `base` that the recipe describes."""
    arguments = {"value_range": value_range}
    if args.augment:
        arguments["augmentation"] = [
            keras.layers.RandomFlip("horizontal", seed=args.seed),
            keras.layers.RandomTranslation(
                1 / 8, 1 / 8, fill_mode="constant", seed=args.seed + 1
            ),
        ]
    if args.recipe == _DEFAULT:
        if args.teacher is not None:
            raise ValueError(
                "--teacher is for the recipes ard and rslad. Received: "
                f"--recipe {args.recipe}"
            )
        model = AttentionDefendedModel(base, **arguments)
    else:
        if args.teacher is not None:
            arguments["teacher"] = load_model(args.teacher)
        model = AttentionDefendedModel.from_preset(
            args.recipe, base, **arguments
        )
    if args.epsilon is not None:
        # Steps keep their share of the radius.
        model.attack = model.attack.with_epsilon(args.epsilon)
        validation = model.validation_attack
        model.validation_attack = validation.with_epsilon(args.epsilon)
    return model


def _optimizer(steps, args):
    schedule = keras.optimizers.schedules.CosineDecay(args.learning_rate, steps)
    if args.optimizer == "adam":
        return keras.optimizers.Adam(schedule, weight_decay=args.weight_decay)
    return keras.optimizers.SGD(
        schedule, momentum=0.9, weight_decay=args.weight_decay
    )


def _print_summary(history, count, plain, args):
    names = ("val_robust_accuracy", "val_accuracy")
    accuracies = list(zip(*(history[name] for name in names), strict=True))
    best = max(accuracies)  # As `RobustCheckpoint` chooses.
    epoch, (robust, clean) = accuracies.index(best), best
    print(
        f"\nThe most robust epoch is {epoch + 1} of {args.epochs}: on {count} "
        f"images held out, accuracy {100 * clean:.1f} %, {100 * robust:.1f} % "
        f"under the validation attack. Written to {plain}. To measure it:\n"
        f"  python -m keras_attn_defense evaluate {shlex.quote(str(plain))} "
        f"--data {shlex.quote(args.data)} --attacks autoattack"
    )


def _hint(args):
    return (
        f" Finished epochs are kept in '{args.out}': the same command "
        "continues from there."
    )
