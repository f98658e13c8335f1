"""The attention method of a study for which none was chosen."""

from ..attention import FeatureMethod
from ..attention import GradCAM
from ..models import AttentionDefendedModel


def default_attention(model):
    """Returns Grad-CAM with values from 0 to 1, at the size of the images.

    Args:
        model: A Keras classifier, or an `AttentionDefendedModel`, whose
            attention layer is then used.
    """
    place = {}
    if isinstance(model, AttentionDefendedModel) and isinstance(
        model.attention, FeatureMethod
    ):
        place = {"layer": model.attention.layer, "grid": model.attention.grid}
    return GradCAM(normalization="max", upsample=True, **place)
