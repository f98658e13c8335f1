"""A progress bar with the robust accuracy so far."""

import keras


class Progress:
    """Shows how many images are done, and the accuracies until now.

    Args:
        total: The number of images, or None if it is not known.
        verbose: 1 for a bar, 2 for one line at the end, 0 for nothing.
    """

    def __init__(self, total, verbose):
        self.verbose = verbose
        self._bar = keras.utils.Progbar(
            total,
            verbose=self.verbose,
            unit_name="image",
            stateful_metrics=["clean_accuracy", "robust_accuracy"],
        )

    def update(self, book, epsilon):
        """Shows how much is done, and the accuracies so far.

        Args:
            book: The `RecordBook`.
            epsilon: The radius to show the robust accuracy at.
        """
        if not self.verbose:
            return
        values = [
            ("clean_accuracy", book.share(lambda part: part.correct)),
            (
                "robust_accuracy",
                book.share(lambda part: part.is_robust(epsilon)),
            ),
        ]
        self._bar.update(book.done(), values, finalize=False)

    def finish(self, count):
        """Ends the bar after so many images."""
        if self.verbose:
            self._bar.update(count, finalize=True)


def check_verbose(verbose):
    """Returns 0, 1 or 2 for what may also be `"auto"`."""
    if verbose not in ("auto", 0, 1, 2):
        raise ValueError(
            "`verbose` should be 'auto', 0, 1 or 2. Received: "
            f"verbose={verbose!r}"
        )
    return 1 if verbose == "auto" else int(verbose)
