"""The attention map that a model is looked at with, unless told otherwise."""

from ..attention import FeatureMethod
from ..attention import GradCAM
from ..models import AttentionDefendedModel


def default_attention(model):
    """Grad-CAM from 0 to 1, read where a defended model was defended.

    Args:
        model: A Keras classifier, or an `AttentionDefendedModel`.
    """
    place = {}
    if isinstance(model, AttentionDefendedModel) and isinstance(
        model.attention, FeatureMethod
    ):
        place = {"layer": model.attention.layer, "grid": model.attention.grid}
    return GradCAM(normalization="max", **place)
