"""The result of an attack, and its cost."""

from typing import NamedTuple

import numpy as np


class AttackResult(NamedTuple):
    """Adversarial images and the cost of each, in NumPy.

    Args:
        images: Adversarial images, float32 `(N, height, width, channels)`.
        forward_passes: Passes of each image through the model, `(N,)`.
        backward_passes: Gradients taken of each image, `(N,)`.

    Example:

    ```python
    result = kad.attacks.PGD(steps=7).run(model, x, y)
    result.images  # (8, 16, 16, 3)
    assert result.backward_passes.tolist() == [7] * 8
    ```
    """

    images: np.ndarray
    forward_passes: np.ndarray
    backward_passes: np.ndarray
