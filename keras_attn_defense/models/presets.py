"""Published forms of training, as arguments of `AttentionDefendedModel`.

The paper's equations and its authors' code, side by side:

| | `"paper"` | `"authors"` | neither: the default |
| --- | --- | --- | --- |
| attack | one step to the least likely class, epsilon 0.075 of the range | the same, epsilon drawn from 0 to 0.075 of the range for each batch | PGD, 7 steps, 8/255 of the range |
| rounds for a batch | one | two: the second attack goes one step on | one |
| map | Grad-CAM, ReLU, divided by its maximum | softmax over positions, from RMS-normalized gradients | Grad-CAM, ReLU, divided by its length |
| its size | that of the images | that of the images | that of the features |
| mask | above the mean of the map | above the mean of the map | above the mean of the map |
| rectification | squared error summed over classes | averaged over classes | averaged over classes |
| preservation | averaged over the batch | summed over the batch | averaged over the batch |
| weights | 8 : 4 : 1 | 8 : 4 : 1 | 0.5 : 0.25 : 0.0625, the same ratio |

Robust losses without rectification, at 8/255 of the range:

| | loss | attack | published with |
| --- | --- | --- | --- |
| `"madry"` | `AdversarialCrossentropy()` | PGD, 10 steps of 2/255 | SGD, learning rate 0.1, weight decay 5e-4, batches of 128 |
| `"trades"` | `TRADES(beta=6)` | PGD, 10 steps of 0.007 | the same, weight decay 2e-4 |
| `"trades-awp"` | the same, with `AdversarialWeightPerturbation(5e-3, start_epoch=10)` | the same | weight decay 5e-4, 200 epochs |
| `"mart"` | `MART(beta=5)` | PGD, 10 steps of 0.007 | learning rate 0.01, weight decay 3.5e-3 |
| `"alp"` | `LogitPairing(weight=0.5)` | PGD, 10 steps of 2/255 | epsilon 16/255 |
| `"score"` | `SCORE(beta=4)` | PGD, 10 steps of 2/255 | weight decay 5e-4, averaged weights |
| `"ard"` | `ARD(teacher, temperature=30)` | PGD, 10 steps of 2/255 | weight decay 2e-4 |
| `"rslad"` | `RSLAD(teacher)` | PGD, 10 steps of 2/255 | weight decay 2e-4, 300 epochs |
| `"ensemble"` | the default: cross-entropy of clean and adversarial images | `FGSM()` on the model or one of `sources`, in turn | the loss's halves weighted equally |
| `"fgsm-rs"` | `AdversarialCrossentropy()` | PGD, one step of 1.25 epsilon from a random start | 15 epochs, cyclic learning rate up to 0.2 |
| `"n-fgsm"` | `AdversarialCrossentropy()` | `NFGSM()`, one step | 30 epochs, cyclic learning rate up to 0.2 |
| `"grad-align"` | `AdversarialCrossentropy()`, and `1 - cos` of the loss's gradients at the image and at a random point of the ball, weight 0.2 | `FGSM()`, one step | 30 epochs, cyclic learning rate up to 0.3 |

`"trades"`, `"trades-awp"`, `"mart"` and `"rslad"` start their attack from normal
noise of deviation 0.001, as the published code does, the others at a random
point of the ball. The presets with ten steps run clean and adversarial images
through the network one after the other, as the code of TRADES and MART does
(`batch_statistics="apart"`).
"""  # noqa: E501

from ..attacks import FGSM
from ..attacks import NFGSM
from ..attacks import PGD
from ..attacks import EnsembleAttack
from ..attacks import StepLL
from ..attention import GradCAM
from ..attention import InputGradients
from ..losses import ARD
from ..losses import MART
from ..losses import RSLAD
from ..losses import SCORE
from ..losses import TRADES
from ..losses import AdversarialCrossentropy
from ..losses import LogitPairing
from ..losses import PreservationLoss
from ..losses import RectificationLoss
from .robust_objective import RobustObjective
from .weight_perturbation import AdversarialWeightPerturbation

_WEIGHTS = {
    "classification_weight": 8.0,
    "rectification_weight": 4.0,
    "preservation_weight": 1.0,
}
_EPSILON = 0.075  # 0.15 in images from -1 to 1.


def paper(extent):
    """Arguments of `AttentionDefendedModel` for the paper's equations."""
    return {
        "attack": StepLL(_EPSILON * extent),
        "attention": GradCAM(
            normalization="max", upsample=True, scale_gradients=False
        ),
        "rectification_loss": RectificationLoss("squared_error"),
        "preservation_loss": PreservationLoss(),
        **_WEIGHTS,
    }


def authors(extent):
    """Arguments of `AttentionDefendedModel` for the authors' code."""
    return {
        "attack": StepLL((0.0, _EPSILON * extent)),
        "attention": GradCAM(normalization="softmax", upsample=True),
        "rectification_loss": RectificationLoss("mean_squared_error"),
        "preservation_loss": PreservationLoss(reduction="sum"),
        "adversarial_rounds": 2,
        **_WEIGHTS,
    }


def robust(extent, loss, step_size=2 / 255, **kwargs):
    """Arguments for a robust loss and ten steps of what it says."""
    attack = PGD(
        8 / 255 * extent,
        step_size * extent,
        steps=10,
        objective=RobustObjective(loss),
        **kwargs,
    )
    arguments = _without_attention(loss, attack)
    return {**arguments, "batch_statistics": "apart"}


def near(extent, loss, step_size):
    """Arguments for the same, with an attack that starts near the image."""
    return robust(extent, loss, step_size, random_start=0.001 * extent)


def trades_awp(extent):
    """Arguments for TRADES with perturbed weights."""
    perturbation = AdversarialWeightPerturbation(5e-3, start_epoch=10)
    trades = near(extent, TRADES(beta=6.0), step_size=0.007)
    return {**trades, "weight_perturbation": perturbation}


def ensemble(extent, sources):
    """Arguments for images of other models, one model for each image."""
    attack = EnsembleAttack(
        sources, FGSM(8 / 255 * extent), mode="rotate", include_victim=True
    )
    return _without_attention(None, attack)


def fgsm_rs(extent):
    """Arguments for one step from a random start."""
    attack = PGD(8 / 255 * extent, 10 / 255 * extent, steps=1)
    return _without_attention(AdversarialCrossentropy(), attack)


def n_fgsm(extent):
    """Arguments of `AttentionDefendedModel` for N-FGSM."""
    attack = NFGSM(8 / 255 * extent)
    return _without_attention(AdversarialCrossentropy(), attack)


def grad_align(extent):
    """Arguments of `AttentionDefendedModel` for GradAlign."""
    return {
        **_without_attention(AdversarialCrossentropy(), FGSM(8 / 255 * extent)),
        "attention": InputGradients(None, score="loss", normalization="signed"),
        "preservation_loss": PreservationLoss("cosine", stop_gradient="clean"),
        "preservation_pair": "noise",
        "preservation_weight": 0.2,
    }


def _without_attention(loss, attack):
    return {
        "robust_loss": loss,
        "attack": attack,
        "rectification_weight": 0.0,
        "preservation_weight": 0.0,
    }


_PRESETS = {
    "paper": paper,
    "authors": authors,
    "madry": lambda extent: robust(extent, AdversarialCrossentropy()),
    "trades": lambda extent: near(extent, TRADES(beta=6.0), 0.007),
    "trades-awp": trades_awp,
    "mart": lambda extent: near(extent, MART(beta=5.0), 0.007),
    "alp": lambda extent: robust(extent, LogitPairing(weight=0.5)),
    "score": lambda extent: robust(extent, SCORE(beta=4.0)),
    "fgsm-rs": fgsm_rs,
    "n-fgsm": n_fgsm,
    "grad-align": grad_align,
}
# Those that need other models, with the name of the argument.
_OF_OTHERS = {
    "ard": ("teacher", lambda extent, teacher: robust(extent, ARD(teacher))),
    "rslad": (
        "teacher",
        lambda extent, teacher: near(extent, RSLAD(teacher), 2 / 255),
    ),
    "ensemble": ("sources", ensemble),
}
NAMES = (*_PRESETS, *_OF_OTHERS)


def get(name, value_range, **others):
    """Returns the arguments that belong to a preset's name.

    Args:
        name: Name of the preset.
        value_range: `(lower, upper)` bounds of the images.
        **others: Other models by the name of their argument, or None.
    """
    if name not in NAMES:
        raise ValueError(
            f"The preset should be one of {list(NAMES)}. Received: {name!r}"
        )
    needed, function = _OF_OTHERS.get(name, (None, None))
    for argument, models in others.items():
        if (models is not None) == (argument == needed):
            continue
        having = [k for k, (of, _) in _OF_OTHERS.items() if of == argument]
        raise ValueError(
            f"The preset '{name}' {'needs' if models is None else 'has no'} "
            f"`{argument}`, which is for {having}. Received: "
            f"{argument}={models!r}"
        )
    extent = value_range[1] - value_range[0]
    if needed is None:
        return _PRESETS[name](extent)
    return function(extent, others[needed])
