"""Results of each image so far: numbers only, whatever the data set."""

import numpy as np

# The columns of `Records.work`.
ATTACKED, FORWARD, BACKWARD, SECONDS = range(4)


class Records:
    """Collects the results of images, block by block.

    For each attack entry there is one number per image: the smallest distance
    at which it succeeded, infinite if never. From it follows success at every
    epsilon.

    Args:
        entries: The list of `AttackEntry`.
        threat: The `ThreatModel`.
        keep_images: Whether to keep the adversarial images.
    """

    def __init__(self, entries, threat, keep_images=False):
        self.entries = entries
        self.threat = threat
        self.keep_images = keep_images
        #: Attacks that could not work on the model, and why.
        self.skipped = {}
        #: The number of jobs that are done, of all blocks.
        self.jobs_done = 0
        self.checksums = np.zeros(0, "int64")
        self.labels = np.zeros(0, "int64")
        self.predictions = np.zeros(0, "int64")
        self.distances = {each.name: np.zeros(0) for each in entries}
        self.images = {}
        self.work = np.zeros((len(entries), len(threat.epsilons), 4))

    def __len__(self):
        return len(self.labels)

    @property
    def ran(self):
        """The entries that could work on the model."""
        return [each for each in self.entries if each.name not in self.skipped]

    @property
    def correct(self):
        """Tells which clean images are classified correctly."""
        return self.predictions == self.labels

    def open_block(self, images, labels, predictions, checksum):
        """Adds images; those misclassified already have the distance 0."""
        self.checksums = np.append(self.checksums, checksum)
        self.labels = np.append(self.labels, labels)
        self.predictions = np.append(self.predictions, predictions)
        distances = np.where(predictions == labels, np.inf, 0.0)
        for name in self.distances:
            self.distances[name] = np.append(self.distances[name], distances)
        for column in self.image_columns():
            before = self.images.get(column, images[:0])
            self.images[column] = np.concatenate([before, images])

    def min_distance(self, entry):
        """Returns the smallest distances of an entry and those before it."""
        names = [each.name for each in self._group(entry)]
        names = names[: names.index(entry.name) + 1]
        return np.min([self.distances[name] for name in names], axis=0)

    def group_min_distance(self, entry):
        """Returns the smallest distances of all entries of its group."""
        return self.min_distance(self._group(entry)[-1])

    def success(self, entry, index):
        """Tells on which images an entry, or one before it, succeeded.

        Args:
            entry: The entry.
            index: The position of the radius among all.
        """
        epsilons = self.threat.epsilons
        success = self.min_distance(entry) <= epsilons[index]
        if index:  # Its whole group was run at the smaller radius.
            success |= self.group_min_distance(entry) <= epsilons[index - 1]
        return success

    def worst_case_distance(self):
        """Returns the smallest distances of all entries."""
        return np.min(list(self.distances.values()), axis=0)

    def is_robust(self, epsilon):
        """Tells on which images all entries fail at a radius."""
        return self.worst_case_distance() > epsilon

    def column(self, entry, epsilon):
        """Returns the name of what belongs to an entry at an epsilon."""
        return f"{entry.name}@{self.threat.label(epsilon)}"

    def image_columns(self):
        """Returns the names of all kept images, in the order of the attacks."""
        if not self.keep_images:
            return []
        return [
            self.column(entry, epsilon)
            for epsilon in self.threat.epsilons
            for entry in self.entries
        ]

    def add_distances(self, entry, where, distances):
        """Notes the distances at which an entry succeeded.

        Args:
            entry: The entry.
            where: The positions of the images.
            distances: One for each of these; infinite where it failed.
        """
        known = self.distances[entry.name]
        known[where] = np.minimum(known[where], distances)

    def copy_previous_images(self, entry, epsilon, rows):
        """Starts the kept images of a block from those of the job before."""
        if not self.keep_images:
            return
        order = [
            self.column(each, radius)
            for radius in self.threat.epsilons
            for each in self._group(entry)
        ]
        column = self.column(entry, epsilon)
        if column != order[0]:
            before = order[order.index(column) - 1]
            self.images[column][rows] = self.images[before][rows]

    def arrays(self):
        """Returns everything as a flat dict of arrays, for the state file."""
        return {
            "units": np.array(self.jobs_done),
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
        self.jobs_done = int(arrays["units"])
        self.skipped = dict(arrays["skipped"].tolist())
        for name in ("checksums", "labels", "predictions", "work"):
            setattr(self, name, arrays[name])
        for name in self.distances:
            self.distances[name] = arrays[f"distance {name}"]
        if len(self):
            for column in self.image_columns():
                self.images[column] = arrays[f"images {column}"]

    def _group(self, entry):
        return [each for each in self.entries if each.group == entry.group]
