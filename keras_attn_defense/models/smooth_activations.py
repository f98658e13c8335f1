"""Smooth activations in the place of ReLU."""

import keras

_ROUGH = ("relu", "relu6", "leaky_relu")
_ROUGH_LAYERS = (keras.layers.ReLU, keras.layers.LeakyReLU)
_ROUGH_FUNCTIONS = (
    keras.ops.relu,
    keras.ops.relu6,
    keras.ops.leaky_relu,
    keras.activations.relu,
)


def smooth_activations(
    model: keras.Model, activation: str = "silu"
) -> keras.Model:
    """Copies a model with a smooth activation wherever it has a ReLU.

    The second derivative of a ReLU is zero almost everywhere, so losses of
    attention maps and of input gradients reach the layers below it through
    the weights of the map alone. The copy keeps the weights, but answers
    differently: train it, from the weights or from scratch.

    Args:
        model: A Sequential or Functional model, with nested ones. Functions
            between layers, such as `keras.ops.relu`, are replaced too.
        activation: Name of a smooth activation of Keras: `"silu"`, `"gelu"`,
            `"softplus"`, ...

    Returns:
        A new model with the same layers, names and weights.

    Raises:
        ValueError: If the model has no ReLU that can be replaced.

    Example:

    ```python
    smooth = kad.models.smooth_activations(model)
    defended = kad.AttentionDefendedModel(smooth)
    ```

    Reference:
        [Xie et al., 2020](https://arxiv.org/abs/2006.14536), smooth
        adversarial training.
    """
    replaced, rough_operations = [], _operations(_ROUGH_FUNCTIONS)

    def clone(layer):
        if isinstance(layer, rough_operations):
            replaced.append(layer)
            return keras.layers.Activation(activation)
        config = layer.get_config()
        if isinstance(layer, _ROUGH_LAYERS):
            replaced.append(layer)
            return keras.layers.Activation(
                activation, name=layer.name, dtype=layer.dtype_policy
            )
        if config.get("activation") in _ROUGH:
            replaced.append(layer)
            config["activation"] = activation
        return type(layer).from_config(config)

    keras.activations.get(activation)
    copy = keras.models.clone_model(model, clone_function=clone, recursive=True)
    if not replaced:
        raise ValueError(
            f"The model '{model.name}' has no ReLU as a layer, as the "
            "activation of a layer or as a function between layers. One "
            "inside of a layer of your own cannot be replaced."
        )
    copy.set_weights(model.get_weights())
    return copy


def _operations(functions):
    """Returns the classes that Keras makes of functions between layers."""
    x = keras.Input((1,))
    models = [keras.Model(x, function(x)) for function in functions]
    return tuple(type(model.operations[-1]) for model in models)
