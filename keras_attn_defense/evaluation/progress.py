"""A progress bar with the robust accuracy so far."""

import keras


class Progress:
    """Shows how many images are done, and how many withstood until now.

    Args:
        total: The number of images, or None if it is not known.
        verbose: `"auto"` or 1 for a bar, 2 for one line at the end, 0 for
            nothing.
    """

    def __init__(self, total, verbose):
        if verbose not in ("auto", 0, 1, 2):
            raise ValueError(
                "`verbose` should be 'auto', 0, 1 or 2. Received: "
                f"verbose={verbose!r}"
            )
        self.verbose = 1 if verbose == "auto" else int(verbose)
        self._bar = keras.utils.Progbar(
            total,
            verbose=self.verbose,
            unit_name="image",
            stateful_metrics=["clean_accuracy", "robust_accuracy"],
        )

    def update(self, done, records, epsilon):
        """Shows the state of things.

        Args:
            done: The number of images that are finished; a part counts.
            records: The `Records`.
            epsilon: The radius to show the robust accuracy at.
        """
        if not self.verbose:
            return
        values = [
            ("clean_accuracy", records.correct.mean()),
            ("robust_accuracy", (records.worst_reach() > epsilon).mean()),
        ]
        self._bar.update(int(done), values, finalize=False)

    def finish(self, records):
        """Ends the bar."""
        if self.verbose:
            self._bar.update(len(records), finalize=True)
