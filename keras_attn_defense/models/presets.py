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
| `"n-fgsm"` | `AdversarialCrossentropy()` | `NFGSM()`, one step | 30 epochs, cyclic learning rate up to 0.2 |
| `"grad-align"` | `AdversarialCrossentropy()`, and `1 - cos` of the loss's gradients at the image and at a random point of the ball, weight 0.2 | `FGSM()`, one step | 30 epochs, cyclic learning rate up to 0.3 |

The published code of TRADES, MART and RSLAD starts from noise of deviation
0.001, PGD here from anywhere in the ball.
"""  # noqa: E501

from ..attacks import FGSM
from ..attacks import NFGSM
from ..attacks import PGD
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


def robust(extent, loss, step_size=2 / 255):
    """Arguments for a robust loss and ten steps of what it says."""
    attack = PGD(
        8 / 255 * extent,
        step_size * extent,
        steps=10,
        objective=RobustObjective(loss),
    )
    return _without_attention(loss, attack)


def trades_awp(extent):
    """Arguments for TRADES with perturbed weights."""
    perturbation = AdversarialWeightPerturbation(5e-3, start_epoch=10)
    trades = robust(extent, TRADES(beta=6.0), step_size=0.007)
    return {**trades, "weight_perturbation": perturbation}


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
    "trades": lambda extent: robust(extent, TRADES(beta=6.0), 0.007),
    "trades-awp": trades_awp,
    "mart": lambda extent: robust(extent, MART(beta=5.0), 0.007),
    "alp": lambda extent: robust(extent, LogitPairing(weight=0.5)),
    "score": lambda extent: robust(extent, SCORE(beta=4.0)),
    "n-fgsm": n_fgsm,
    "grad-align": grad_align,
}
_WITH_TEACHER = {
    "ard": lambda extent, teacher: robust(extent, ARD(teacher)),
    "rslad": lambda extent, teacher: robust(extent, RSLAD(teacher)),
}


def get(name, value_range, teacher=None):
    """Returns the arguments that belong to a preset's name.

    Args:
        name: Name of the preset.
        value_range: `(lower, upper)` bounds of the images.
        teacher: A robust classifier, for the presets that need one.
    """
    if name not in {**_PRESETS, **_WITH_TEACHER}:
        raise ValueError(
            "The preset should be one of "
            f"{[*_PRESETS, *_WITH_TEACHER]}. Received: {name!r}"
        )
    if (teacher is None) == (name in _WITH_TEACHER):
        needs = "needs a" if name in _WITH_TEACHER else "has no"
        raise ValueError(
            f"The preset '{name}' {needs} `teacher`; {[*_WITH_TEACHER]} have "
            f"one. Received: teacher={teacher!r}"
        )
    extent = value_range[1] - value_range[0]
    if teacher is None:
        return _PRESETS[name](extent)
    return _WITH_TEACHER[name](extent, teacher)
