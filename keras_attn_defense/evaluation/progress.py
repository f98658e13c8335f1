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

    def update(self, done, records, epsilon):
        """Shows the accuracies so far.

        Args:
            done: The number of images that are finished; a part counts.
            records: The `Records`.
            epsilon: The radius to show the robust accuracy at.
        """
        if not self.verbose:
            return
        values = [
            ("clean_accuracy", records.correct.mean()),
            ("robust_accuracy", records.is_robust(epsilon).mean()),
        ]
        self._bar.update(int(done), values, finalize=False)

    def finish(self, records):
        """Ends the bar."""
        if self.verbose:
            self._bar.update(len(records), finalize=True)


def check_verbose(verbose):
    """Returns 0, 1 or 2 for what may also be `"auto"`."""
    if verbose not in ("auto", 0, 1, 2):
        raise ValueError(
            "`verbose` should be 'auto', 0, 1 or 2. Received: "
            f"verbose={verbose!r}"
        )
    return 1 if verbose == "auto" else int(verbose)
