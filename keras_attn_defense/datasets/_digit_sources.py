"""The handwritten digits that digit scenes are made of."""

import numpy as np

# Every fifth digit of a class is a test digit. The rule does not depend on a
# seed, so that training scenes of one seed and test scenes of another still
# share no source digit.
TEST_STRIDE = 5


def load_digit_sources():
    """Loads the digits of scikit-learn, in a fixed stratified split.

    Returns:
        `(train, test)`, each a list with one float32 array of shape
        `(M, 8, 8)` per class 0 to 9, holding whole numbers in `[0, 16]`.

    Raises:
        ImportError: If scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError(
            "`load_digit_scenes` takes its digits from scikit-learn, which "
            "is not installed. Install it with "
            '`pip install "keras-attn-defense[datasets]"`.'
        ) from error
    digits = load_digits()
    images = digits.images.astype("float32")
    train, test = [], []
    for label in range(10):
        members = images[digits.target == label]
        held_out = np.arange(len(members)) % TEST_STRIDE == TEST_STRIDE - 1
        train.append(members[~held_out])
        test.append(members[held_out])
    return train, test
