"""Names of classes."""


class ClassNames:
    """Names classes by their indices.

    Args:
        names: The names in the order of the model's outputs, or None.
        count: The number of names that are needed.

    Raises:
        ValueError: If there are fewer.
    """

    def __init__(self, names, count):
        self._names = None if names is None else [str(name) for name in names]
        if names is not None and len(self._names) < count:
            raise ValueError(
                "`class_names` should name all classes of the model, of which "
                f"there are at least {count}. Received: {len(self._names)} "
                "names."
            )

    def __call__(self, label):
        """Returns the name of a class."""
        if self._names is None:
            return f"class {label}"
        return self._names[label]


def largest_class(report):
    """Returns the largest class index that the page of a report shows."""
    samples, gallery = report.per_sample, report.gallery
    seen = [samples["label"]]
    seen += [v for k, v in samples.items() if k.endswith("prediction")]
    if gallery is not None:
        answers = [gallery.clean, *gallery.attacked.values()]
        seen += [each.predictions for each in answers]
    return int(max(each.max() for each in seen))
