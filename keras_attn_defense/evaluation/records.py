"""Results of each image so far: numbers only, whatever the data set."""

import numpy as np

from .kept_images import KeptImages

# The column of clean images.
CLEAN = "clean"
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
        gallery: The number of images to keep, clean and adversarial, for the
            pictures of a page.
        seed: Integer seed of their draw.
    """

    def __init__(self, entries, threat, keep_images=False, gallery=0, seed=0):
        self.entries = entries
        self.threat = threat
        #: Attacks that could not work on the model, and why.
        self.skipped = {}
        #: The number of jobs that are done, of all blocks.
        self.jobs_done = 0
        self.checksums = np.zeros(0, "int64")
        self.labels = np.zeros(0, "int64")
        self.predictions = np.zeros(0, "int64")
        self.distances = {each.name: np.zeros(0) for each in entries}
        columns = self._image_columns()
        shown = [CLEAN, *columns] if gallery else []
        #: The `KeptImages`, by what they are called in the state file.
        self.kept = {
            "images": KeptImages(columns if keep_images else []),
            "gallery": KeptImages(shown, gallery, seed),
        }
        self.work = np.zeros((len(entries), len(threat.epsilons), 4))

    def __len__(self):
        return len(self.labels)

    @property
    def images(self):
        """All adversarial images by column, if they are kept."""
        return self.kept["images"].images

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
        for kept in self.kept.values():
            kept.open_block(len(self), images)
        self.checksums = np.append(self.checksums, checksum)
        self.labels = np.append(self.labels, labels)
        self.predictions = np.append(self.predictions, predictions)
        distances = np.where(predictions == labels, np.inf, 0.0)
        for name in self.distances:
            self.distances[name] = np.append(self.distances[name], distances)

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

    def kept_names(self):
        """Returns the names of all kept images in the state file."""
        return [
            f"{name} {column}"
            for name, kept in self.kept.items()
            for column in kept.columns
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
        order = [
            self.column(each, radius)
            for radius in self.threat.epsilons
            for each in self._group(entry)
        ]
        column = self.column(entry, epsilon)
        if column != order[0]:
            before = order[order.index(column) - 1]
            for kept in self.kept.values():
                kept.copy(before, column, rows)

    def put_images(self, column, where, images):
        """Keeps images of an attack, as far as they are to be kept.

        Args:
            column: What `column` returned.
            where: The positions of the images.
            images: The images.
        """
        for kept in self.kept.values():
            kept.put(column, where, images)

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
            **{
                f"{name} {column}": images
                for name, kept in self.kept.items()
                for column, images in kept.images.items()
            },
        }

    def restore(self, arrays):
        """Takes over what `arrays` returned."""
        self.jobs_done = int(arrays["units"])
        self.skipped = dict(arrays["skipped"].tolist())
        for name in ("checksums", "labels", "predictions", "work"):
            setattr(self, name, arrays[name])
        for name in self.distances:
            self.distances[name] = arrays[f"distance {name}"]
        for name, kept in self.kept.items():
            images = {
                column: arrays.get(f"{name} {column}")
                for column in kept.columns
            }
            kept.restore(images, len(self))

    def _image_columns(self):
        """Returns the columns of all attacks, in their order."""
        return [
            self.column(entry, epsilon)
            for epsilon in self.threat.epsilons
            for entry in self.entries
        ]

    def _group(self, entry):
        return [each for each in self.entries if each.group == entry.group]
