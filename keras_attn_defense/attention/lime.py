"""LIME attention maps."""

import contextlib
import io
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._arguments import check_count
from .._registration import register
from .._typing import Model
from .black_box_method import BlackBoxMethod


@register
class LIME(BlackBoxMethod):
    """LIME: the weight of each region in a linear model of the classifier.

    An image is cut into superpixels. Copies of it with some of them hidden at
    random are classified, and a linear model is fitted to the probability of
    the class, with more weight on copies that are close to the image. A
    region's pixels all have its weight; regions that speak against the class
    are below zero.

    Args:
        regions: About how many superpixels an image is cut into (SLIC).
        samples: Number of copies with regions hidden, for each image.
        normalization: ReLU followed by division by the `"max"`, `"sum"` or
            `"l2"` length of the map, `"softmax"` over all positions, or None
            for ReLU alone.
        fill: Value of hidden pixels, a number or one for each channel; None
            means the mean color of each image.
        seed: Whole number that seeds the random copies, the same for every
            image.
        batch_size: Number of images in one call of the model.
        model: The classifier to explain.
        name: Name of the layer.

    Raises:
        ImportError: If the package `lime` is not installed.

    Example:

    ```python
    lime = kad.attention.LIME(regions=10, samples=50, model=model)
    maps = lime(x[:2], y[:2])
    ```

    Reference:
        [Ribeiro et al., 2016](https://arxiv.org/abs/1602.04938).
    """

    def __init__(
        self,
        regions: int = 50,
        samples: int = 1000,
        *,
        normalization: str | None = "l2",
        fill: float | Sequence[float] | None = None,
        seed: int = 0,
        batch_size: int = 128,
        model: Model | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            normalization,
            fill=fill,
            batch_size=batch_size,
            model=model,
            name=name,
        )
        self.regions = check_count("regions", regions, lowest=2)
        self.samples = check_count("samples", samples, lowest=2)
        self.seed = check_count("seed", seed, lowest=None)

    def raw_maps(
        self,
        score: Callable[..., np.ndarray],
        images: np.ndarray,
        classes: np.ndarray,
    ) -> np.ndarray:
        try:
            from lime.lime_image import LimeImageExplainer
            from skimage.segmentation import slic
        except ImportError as error:
            raise ImportError(
                "LIME needs the packages lime and scikit-image: "
                '`pip install "keras-attn-defense[lime]"`.'
            ) from error

        def segments(image):
            # SLIC weighs colors against distances, so colors are brought to
            # one scale for images of any range.
            extent = max(np.ptp(image), 1e-30)
            scaled = (image - image.min()) / extent
            return slic(scaled, n_segments=self.regions, start_label=0)

        maps = np.zeros(images.shape[:3])
        for index, image in enumerate(images):
            label = classes[index]
            explainer = LimeImageExplainer(random_state=self.seed)
            # LIME writes a progress bar for every image.
            with contextlib.redirect_stderr(io.StringIO()):
                explanation = explainer.explain_instance(
                    image,
                    _against_the_rest(score, label),
                    labels=(1,),
                    top_labels=None,
                    hide_color=self.hidden(image),
                    num_samples=self.samples,
                    batch_size=self.batch_size,
                    segmentation_fn=segments,
                    random_seed=self.seed,
                )
            # One weight for each superpixel goes to all of its pixels.
            weights = dict(explanation.local_exp[1])
            for region, weight in weights.items():
                maps[index][explanation.segments == region] = weight
        return maps

    def get_config(self) -> dict[str, Any]:
        return {
            "regions": self.regions,
            "samples": self.samples,
            **super().get_config(),
            "seed": self.seed,
        }


def _against_the_rest(score, label):
    """Returns a function of images: probabilities of the rest and `label`."""

    def probabilities(images):
        # LIME expects all classes; those that it does not explain may be one
        # column.
        of_label = score(np.asarray(images), np.full(len(images), label))
        return np.stack([1.0 - of_label, of_label], axis=-1)

    return probabilities
