"""The models in this folder, `<name>.keras` with `<name>.json`, by name."""

import pathlib
from typing import Any

import keras

from ..evaluation import load_card

_FOLDER = pathlib.Path(__file__).parent


def names() -> list[str]:
    """Lists the models.

    Returns:
        A sorted list of names, for `load` and `card`.

    Example:

    ```python
    for name in kad.zoo.names():
        print(name, kad.zoo.card(name)["reported"])
    ```
    """
    return sorted(path.stem for path in _FOLDER.glob("*.keras"))


def load(name: str) -> keras.Model:
    """Loads a robust classifier, without any download.

    It takes images from 0 to 1 and returns logits. Its weights are float32,
    the same on every backend.

    Args:
        name: One of `kad.zoo.names()`.

    Returns:
        A `keras.Model`, built and not compiled.

    Raises:
        ValueError: If there is no model of that name.

    Example:

    ```python
    robust = kad.zoo.load("digits")
    robust.input_shape, robust.output_shape  # (None, 8, 8, 1), (None, 10)
    ```
    """
    path = _path(name, ".keras")
    return keras.saving.load_model(path, compile=False, safe_mode=True)


def card(name: str) -> dict[str, Any]:
    """Reads the card of a model: how robust it is, and how it was trained.

    Args:
        name: One of `kad.zoo.names()`.

    Returns:
        A dict of plain values, as `kad.evaluation.load_card` returns it:
        accuracy on clean images and under AutoAttack with intervals, the
        number of images, settings of the attacks, and checks. `"training"` has
        the command, the settings, the seed and the hardware; `"sha256"` is the
        checksum of the model's file.

    Raises:
        ValueError: If there is no model of that name.

    Example:

    ```python
    card = kad.zoo.card("digits")
    card["clean_acc"], card["autoattack_acc"], card["eps"]
    ```
    """
    return load_card(_path(name, ".json"))


def _path(name, suffix):
    if name not in names():
        raise ValueError(
            f"The model should be one of {names()}. Received: {name!r}"
        )
    return _FOLDER / f"{name}{suffix}"
