"""The attention methods by name."""

from typing import Any

from .._arguments import check_named
from .._arguments import refuse_arguments
from .attention_method import AttentionMethod
from .eigen_cam import EigenCAM
from .grad_cam import GradCAM
from .grad_cam_plus_plus import GradCAMPlusPlus
from .hi_res_cam import HiResCAM
from .input_gradients import InputGradients
from .layer_cam import LayerCAM
from .lime import LIME
from .occlusion import Occlusion
from .score_cam import ScoreCAM
from .smooth_grad import SmoothGrad
from .x_grad_cam import XGradCAM

METHODS = {
    "grad-cam": GradCAM,
    "grad-cam++": GradCAMPlusPlus,
    "xgrad-cam": XGradCAM,
    "hires-cam": HiResCAM,
    "layer-cam": LayerCAM,
    "eigen-cam": EigenCAM,
    "score-cam": ScoreCAM,
    "input-gradients": InputGradients,
    "smoothgrad": SmoothGrad,
    "occlusion": Occlusion,
    "lime": LIME,
}


def get(name: Any, **kwargs: Any) -> AttentionMethod:
    """Returns an attention method by its name.

    Args:
        name: `"grad-cam"`, `"grad-cam++"`, `"xgrad-cam"`, `"hires-cam"`,
            `"layer-cam"`, `"eigen-cam"`, `"score-cam"`, `"input-gradients"`,
            `"smoothgrad"`, `"occlusion"` or `"lime"`. An `AttentionMethod` is
            returned as it is.
        **kwargs: Arguments of that method.

    Returns:
        An `AttentionMethod`.

    Raises:
        ValueError: If there is no method of that name, or arguments are given
            together with an `AttentionMethod`.

    Example:

    ```python
    method = kad.attention.get("layer-cam", model=model)
    maps = method(x, y)
    ```
    """
    if isinstance(name, AttentionMethod):
        refuse_arguments(name, kwargs)
        return name
    what = "An attention method"
    return METHODS[check_named(name, METHODS, AttentionMethod, what)](**kwargs)
