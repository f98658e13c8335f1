"""Find the feature map whose attention is read."""

import difflib

import keras

from .structure import all_layers

# Rank 4, but no feature maps: borders, and the heads of self-attention.
_NO_MAPS = (
    keras.layers.ZeroPadding2D,
    keras.layers.Cropping2D,
    keras.layers.EinsumDense,
)
_SELF_ATTENTION = (
    keras.layers.MultiHeadAttention,
    keras.layers.GroupQueryAttention,
)


def find_feature_layer(calls, layer=None):
    """Finds the layer whose output the attention map is taken from.

    Args:
        calls: What `layer_calls` returned.
        layer: A layer of the model, its name or its path. With None, the last
            layer with a map of more than one position: the map that feeds the
            global pooling or the flattening.

    Returns:
        The layer.

    Raises:
        ValueError: If there is no such layer, it is ambiguous, runs more than
            once in a forward pass, or its output has no height and width.
    """
    if layer is None:
        return _default(calls)
    found = _named(calls, layer)
    runs = [call for call in calls if call.layer is found]
    if len(runs) > 1:
        raise ValueError(
            f"Layer '{found.name}' runs {len(runs)} times in one forward pass, "
            "so it has no single attention map. Choose another layer."
        )
    if not _is_spatial(runs[0].shape, found):
        raise ValueError(
            f"Layer '{found.name}' has an output of shape {runs[0].shape}. An "
            "attention map needs a rank-4 output with height and width above "
            f"one. Such layers are, last first: {_suggest(_spatial(calls))}."
        )
    return found


def data_format(calls, layer):
    """The data format at `layer`: its own, or that of a layer before it."""
    found = keras.config.image_data_format()
    for call in calls:
        found = getattr(call.layer, "data_format", None) or found
        if call.layer is layer:
            return found
    return found


def _default(calls):
    inside_attention = {
        id(layer)
        for call in calls
        if isinstance(call.layer, _SELF_ATTENTION)
        for layer in all_layers(call.layer)
    }
    for call in reversed(calls):
        layer = call.layer
        if isinstance(layer, _NO_MAPS) or id(layer) in inside_attention:
            continue
        if _is_spatial(call.shape, layer):
            return layer
    raise ValueError(
        "The model has no layer with a rank-4 output of height and width above "
        "one, so there is no attention map to take. Use a convolutional "
        "classifier, or larger images."
    )


def _named(calls, layer):
    layers = list({id(call.layer): call.layer for call in calls}.values())
    if isinstance(layer, keras.layers.Layer):
        if any(layer is candidate for candidate in layers):
            return layer
        raise ValueError(
            f"Layer '{layer.name}' is not a layer of this model, or it does "
            "not run in its forward pass. Pass a layer of the model that is "
            "defended, or its name."
        )
    matches = [c for c in layers if layer in (c.name, _path(c))]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise ValueError(
            f"{len(matches)} layers are named '{layer}'. Pass the layer "
            "itself, or one of the paths "
            f"{[_path(match) for match in matches]}."
        )
    names = [candidate.name for candidate in layers]
    nearest = difflib.get_close_matches(layer, names, n=3, cutoff=0.3)
    raise ValueError(
        f"The model has no layer named '{layer}'. The nearest names are "
        f"{nearest}; layers with a map are, last first: "
        f"{_suggest(_spatial(calls))}."
    )


def _path(layer):
    return getattr(layer, "path", None) or layer.name


def _spatial(calls):
    return [c.layer.name for c in calls if _is_spatial(c.shape, c.layer)]


def _suggest(names):
    return list(dict.fromkeys(reversed(names)))[:4]


def _is_spatial(shape, layer):
    if shape is None or len(shape) != 4:
        return False
    first = (
        getattr(layer, "data_format", None) or keras.config.image_data_format()
    ) == "channels_first"
    sides = shape[2:] if first else shape[1:3]
    # Unknown sizes (None, or a symbol on JAX) count as large.
    return all(not isinstance(side, int) or side > 1 for side in sides)
