"""Notice tasks of keras-hub, which prepare images outside their call."""

from typing import Any


def has_preprocessor(model: Any) -> bool:
    """Tells whether a keras-hub model prepares images outside its call."""
    return (
        hasattr(model, "preprocess_samples")
        and getattr(model, "preprocessor", None) is not None
    )


def check_preprocessor(model: Any) -> None:
    """Raises if a direct call leaves the preprocessor of a model out."""
    if has_preprocessor(model):
        raise ValueError(
            f"The keras-hub task '{model.name}' has a preprocessor, which "
            "`fit` and `predict` apply and a direct call, and so an attack, "
            "does not. Take its values over: "
            "`kad.preprocessing.with_preprocessing(task)`. If your images are "
            "prepared already, switch it off: `task.preprocessor = None`."
        )
