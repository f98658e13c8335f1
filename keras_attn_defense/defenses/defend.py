"""Put defenses in front of, or around, a classifier."""

import keras

from .defense_layer import DefenseLayer


def defend(
    model: keras.Model, *defenses: DefenseLayer, name: str | None = None
) -> keras.Model:
    """Puts defenses in front of, or around, a classifier.

    The classifier keeps its weights. Attacks and `kad.evaluate_robustness`
    find out by themselves how the result has to be attacked; see
    `kad.defenses.HowToAttack`.

    Args:
        model: A built Keras classifier.
        *defenses: Defenses, in the order in which images meet them.
        name: Name of the new classifier. None makes one of the names of the
            model and the first defense.

    Returns:
        A Keras model from the same images, compiled as `model` is.

    Raises:
        ValueError: If there is no defense, or one does not fit the model.

    Example:

    ```python
    defended = kad.defenses.defend(
        model,
        kad.defenses.BitDepthReduction(bits=3),
        kad.defenses.JPEGCompression(quality=75),
    )
    report = kad.evaluate_robustness(defended, x, y, attacks="fgsm", verbose=0)
    ```
    """
    if not defenses or not all(isinstance(d, DefenseLayer) for d in defenses):
        raise ValueError(
            "`defend` takes a model and one or more defenses, such as "
            "`kad.defenses.defend(model, kad.defenses.JPEGCompression())`. "
            f"Received: {defenses!r}. For a layer of your own, inherit from "
            "`kad.defenses.DefenseLayer`."
        )
    defended = model
    for place, defense in reversed(list(enumerate(defenses))):
        its = f"{model.name}_behind_{defense.name}"
        defended = defense.protect(defended, its if place or not name else name)
    if model.compiled:
        settings = model.get_compile_config()
        defended.compile(**keras.saving.deserialize_keras_object(settings))
    return defended
