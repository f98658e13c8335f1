"""Find the layers whose attention is read."""

import difflib

import keras

from ..data import side_axes
from .structure import all_layers
from .token_grid import token_grid

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


class FeatureMaps:
    """The layers of a model that have a map of more than one position.

    Maps are outputs `(batch, height, width, channels)`, or the tokens
    `(batch, n, channels)` of a vision transformer.

    Args:
        calls: What `layer_calls` returned.
        image_size: `(height, width)` of the images; None where not known.
        grid: `(height, width)` of the map that tokens form; None to infer it.
    """

    def __init__(self, calls, image_size, grid=None):
        self.calls = calls
        self.image_size = image_size
        self.grid = grid

    def find(self, layer=None):
        """Finds the layer whose output the attention map is taken from.

        Args:
            layer: A layer of the model, its name or its path. With None, the
                last layer with a map: the one that feeds the global pooling
                or the flattening, or the last self-attention over tokens.

        Returns:
            The layer.

        Raises:
            ValueError: If there is no such layer, it is ambiguous, runs more
                than once in a forward pass, or its output is no map.
        """
        if layer is None:
            return self._default()
        found = self._named(layer)
        runs = [call for call in self.calls if call.layer is found]
        if len(runs) > 1:
            raise ValueError(
                f"Layer '{found.name}' runs {len(runs)} times in one forward "
                "pass, so it has no single attention map. Choose another layer."
            )
        self.size(found)
        return found

    def size(self, layer):
        """`(height, width)` of the map of a layer that runs once."""
        shape = next(c.shape for c in self.calls if c.layer is layer)
        if shape is not None and len(shape) == 3 and isinstance(shape[1], int):
            return token_grid(shape[1], self.image_size, self.grid)
        if not _is_spatial(shape, layer):
            raise ValueError(
                f"Layer '{layer.name}' has an output of shape {shape}. An "
                "attention map needs a rank-4 output with height and width "
                "above one, or tokens (batch, n, channels). Such layers are, "
                f"last first: {_suggest(self._maps())}."
            )
        if self.grid is not None:
            raise ValueError(
                f"`grid` is for layers of tokens. Layer '{layer.name}' has an "
                f"output of shape {shape}: leave `grid` out, or choose a layer "
                "of rank 3."
            )
        return shape[side_axes(data_format(self.calls, layer))]

    def _default(self):
        inside = {
            id(layer)
            for call in self.calls
            if isinstance(call.layer, _SELF_ATTENTION)
            for layer in all_layers(call.layer)
        }
        tokens = self.grid is not None
        for call in reversed(self.calls):
            layer = call.layer
            if id(layer) in inside or isinstance(layer, _NO_MAPS):
                continue
            if isinstance(layer, _SELF_ATTENTION):
                # After it a class token may be all that counts, and the others
                # have no gradient: from here on, tokens are as good as maps.
                tokens = tokens or len(call.shape or ()) == 3
            elif tokens and self._is_tokens(call):
                return layer
            elif _is_spatial(call.shape, layer) and self.grid is None:
                return layer
        raise ValueError(
            "The model has no layer with a rank-4 output of height and width "
            "above one, so there is no attention map to take. Use a "
            "convolutional classifier, or larger images; in a vision "
            "transformer, name a layer of tokens, (batch, n, channels), and "
            f"`grid=(height, width)`. Received: grid={self.grid}."
        )

    def _is_tokens(self, call):
        # A map that was flattened is found as the map itself.
        if isinstance(call.layer, keras.layers.Reshape):
            return False
        return self._has_tokens(call)

    def _has_tokens(self, call):
        shape = call.shape
        if shape is None or len(shape) != 3 or not isinstance(shape[1], int):
            return False
        try:
            token_grid(shape[1], self.image_size, self.grid)
        except ValueError:
            return False
        return True

    def _maps(self):
        return [
            call.layer.name
            for call in self.calls
            if _is_spatial(call.shape, call.layer) or self._has_tokens(call)
        ]

    def _named(self, layer):
        layers = list({id(c.layer): c.layer for c in self.calls}.values())
        if isinstance(layer, keras.layers.Layer):
            if any(layer is candidate for candidate in layers):
                return layer
            raise ValueError(
                f"Layer '{layer.name}' is not a layer of this model, or it "
                "does not run in its forward pass. Pass a layer of the model "
                "that is defended, or its name."
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
        # Those that hold others, as a model does, have no map of their own.
        names = [each.name for each in layers if not all_layers(each)]
        nearest = difflib.get_close_matches(layer, names, n=3, cutoff=0.3)
        raise ValueError(
            f"The model has no layer named '{layer}'. The nearest names are "
            f"{nearest}; layers with a map are, last first: "
            f"{_suggest(self._maps())}."
        )


def data_format(calls, layer):
    """The data format at `layer`: its own, or that of a layer before it."""
    found = keras.config.image_data_format()
    for call in calls:
        found = getattr(call.layer, "data_format", None) or found
        if call.layer is layer:
            return found
    return found


def _path(layer):
    return getattr(layer, "path", None) or layer.name


def _suggest(names):
    return list(dict.fromkeys(reversed(names)))[:4]


def _is_spatial(shape, layer):
    if shape is None or len(shape) != 4:
        return False
    sides = shape[side_axes(getattr(layer, "data_format", None))]
    # Unknown sizes (None, or a symbol on JAX) count as large.
    return all(not isinstance(side, int) or side > 1 for side in sides)
