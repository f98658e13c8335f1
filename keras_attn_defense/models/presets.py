"""The paper's equations and its authors' code, side by side.

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
"""  # noqa: E501

from ..attacks import StepLL
from ..attention import GradCAM
from ..losses import PreservationLoss
from ..losses import RectificationLoss

_WEIGHTS = {
    "classification_weight": 8.0,
    "rectification_weight": 4.0,
    "preservation_weight": 1.0,
}
_EPSILON = 0.075  # 0.15 in images from -1 to 1.


def paper(value_range):
    """Arguments of `AttentionDefendedModel` for the paper's equations."""
    extent = value_range[1] - value_range[0]
    return {
        "attack": StepLL(_EPSILON * extent),
        "attention": GradCAM(
            normalization="max", upsample=True, scale_gradients=False
        ),
        "rectification_loss": RectificationLoss("squared_error"),
        "preservation_loss": PreservationLoss(),
        **_WEIGHTS,
    }


def authors(value_range):
    """Arguments of `AttentionDefendedModel` for the authors' code."""
    extent = value_range[1] - value_range[0]
    return {
        "attack": StepLL((0.0, _EPSILON * extent)),
        "attention": GradCAM(normalization="softmax", upsample=True),
        "rectification_loss": RectificationLoss("mean_squared_error"),
        "preservation_loss": PreservationLoss(reduction="sum"),
        "adversarial_rounds": 2,
        **_WEIGHTS,
    }


_PRESETS = {"paper": paper, "authors": authors}


def get(name, value_range):
    """The arguments that belong to a preset's name."""
    if name not in _PRESETS:
        raise ValueError(
            f"The preset should be one of {list(_PRESETS)}. Received: {name!r}"
        )
    return _PRESETS[name](value_range)
