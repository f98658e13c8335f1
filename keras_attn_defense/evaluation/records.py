"""Results of each image so far: numbers only, whatever the data set."""

import numpy as np

# The columns of `Records.work`.
ATTACKED, FORWARD, BACKWARD, SECONDS = range(4)


class Records:
    """Grows block by block.

    For each contender there is one number an image: the smallest distance at
    which it was seen to fall, infinite if never. From it follows success at
    every epsilon.

    Args:
        contenders: The rows of the report.
        threat: The `ThreatModel`.
        keep_images: Whether to keep the adversarial images.
    """

    def __init__(self, contenders, threat, keep_images=False):
        self.contenders = contenders
        self.threat = threat
        self.keep_images = keep_images
        #: Attacks that could not work on the model, and why.
        self.skipped = {}
        self.units = 0
        self.checksums = np.zeros(0, "int64")
        self.labels = np.zeros(0, "int64")
        self.predictions = np.zeros(0, "int64")
        self.distances = {each.name: np.zeros(0) for each in contenders}
        self.images = {}
        self.work = np.zeros((len(contenders), len(threat.epsilons), 4))

    def __len__(self):
        return len(self.labels)

    @property
    def ran(self):
        """The contenders that could work on the model."""
        return [c for c in self.contenders if c.name not in self.skipped]

    @property
    def correct(self):
        """Tells which clean images are classified correctly."""
        return self.predictions == self.labels

    def open_block(self, images, labels, predictions, checksum):
        """Adds images; those classified wrongly have fallen at distance 0."""
        self.checksums = np.append(self.checksums, checksum)
        self.labels = np.append(self.labels, labels)
        self.predictions = np.append(self.predictions, predictions)
        fallen = np.where(predictions == labels, np.inf, 0.0)
        for name in self.distances:
            self.distances[name] = np.append(self.distances[name], fallen)
        for column in self.image_columns():
            before = self.images.get(column, images[:0])
            self.images[column] = np.concatenate([before, images])

    def reach(self, contender):
        """The smallest distance of a contender and those before it."""
        names = [each.name for each in self._cascade(contender)]
        names = names[: names.index(contender.name) + 1]
        return np.min([self.distances[name] for name in names], axis=0)

    def cascade_reach(self, contender):
        """The smallest distance of all contenders of its cascade."""
        return self.reach(self._cascade(contender)[-1])

    def fallen(self, contender, index):
        """Tells which images have fallen once a contender has had its turn.

        Args:
            contender: The contender.
            index: The position of the radius among all.
        """
        epsilons = self.threat.epsilons
        fallen = self.reach(contender) <= epsilons[index]
        if index:  # Its whole cascade had a turn at the smaller one.
            fallen |= self.cascade_reach(contender) <= epsilons[index - 1]
        return fallen

    def worst_reach(self):
        """The smallest distance of all contenders."""
        return np.min(list(self.distances.values()), axis=0)

    def column(self, contender, epsilon):
        """The name of what belongs to a contender at an epsilon."""
        return f"{contender.name}@{self.threat.label(epsilon)}"

    def image_columns(self):
        """The names of all kept images, in the order of the attacks."""
        if not self.keep_images:
            return []
        return [
            self.column(contender, epsilon)
            for epsilon in self.threat.epsilons
            for contender in self.contenders
        ]

    def fall(self, contender, where, found):
        """Notes the distances at which images at `where` fell."""
        distances = self.distances[contender.name]
        distances[where] = np.minimum(distances[where], found)

    def carry_images(self, contender, epsilon, rows):
        """Starts the kept images of a block from those of the run before."""
        if not self.keep_images:
            return
        order = [
            self.column(each, radius)
            for radius in self.threat.epsilons
            for each in self._cascade(contender)
        ]
        column = self.column(contender, epsilon)
        if column != order[0]:
            before = order[order.index(column) - 1]
            self.images[column][rows] = self.images[before][rows]

    def arrays(self):
        """Everything, as a flat dict of arrays."""
        return {
            "units": np.array(self.units),
            "skipped": np.array(list(self.skipped.items()), str),
            "checksums": self.checksums,
            "labels": self.labels,
            "predictions": self.predictions,
            "work": self.work,
            **{f"distance {k}": v for k, v in self.distances.items()},
            **{f"images {k}": v for k, v in self.images.items()},
        }

    def restore(self, arrays):
        """Takes over what `arrays` returned."""
        self.units = int(arrays["units"])
        self.skipped = dict(arrays["skipped"].tolist())
        for name in ("checksums", "labels", "predictions", "work"):
            setattr(self, name, arrays[name])
        for name in self.distances:
            self.distances[name] = arrays[f"distance {name}"]
        if len(self):
            for column in self.image_columns():
                self.images[column] = arrays[f"images {column}"]

    def _cascade(self, contender):
        cascade = contender.cascade
        return [each for each in self.contenders if each.cascade == cascade]
