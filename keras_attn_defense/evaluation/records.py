"""Results of each image so far: numbers only, whatever the data set."""

import numpy as np

from .kept_images import KeptImages

# The column of clean images.
CLEAN = "clean"
# The columns of `Records.work`.
ATTACKED, FORWARD, BACKWARD, SECONDS = range(4)


class Records:
    """The results of a block of images, or of several blocks.

    For each attack entry there is one number per image: the smallest distance
    at which it succeeded, infinite if never. From it follows success at every
    epsilon. Images that are misclassified already have the distance 0. Beside
    it stands the class that the image was taken for at that distance.

    Args:
        entries: The list of `AttackEntry`.
        threat: The `ThreatModel`.
        rows: The positions of the images in the data, ascending.
        labels: Their class indices.
        predictions: The predicted classes of the clean images.
        checksums: One for each block, of its images and labels.
        kept: The `KeptImages`, a dict by what they are called in the state
            file.
    """

    def __init__(
        self, entries, threat, rows, labels, predictions, checksums, kept
    ):
        self.entries = entries
        self.threat = threat
        self.rows = rows
        self.labels = labels
        self.predictions = predictions
        self.checksums = checksums
        self.kept = kept
        distances = np.where(predictions == labels, np.inf, 0.0)
        self.distances = {each.name: distances.copy() for each in entries}
        self.taken_for = {each.name: predictions.copy() for each in entries}
        self.work = np.zeros((len(entries), len(threat.epsilons), 4))
        #: Attacks that could not work on the model, and why.
        self.skipped = {}
        #: The number of jobs that are done.
        self.jobs_done = 0

    @classmethod
    def joined(cls, parts):
        """Joins those of several blocks, which are in the order of the data."""
        parts = list(parts)
        first = parts[0]
        fields = ("rows", "labels", "predictions", "checksums")
        whole = cls(
            first.entries,
            first.threat,
            *(
                np.concatenate([getattr(part, field) for part in parts])
                for field in fields
            ),
            {
                name: KeptImages.joined(part.kept[name] for part in parts)
                for name in first.kept
            },
        )
        for name in whole.distances:
            pieces = [part.distances[name] for part in parts]
            whole.distances[name] = np.concatenate(pieces)
            pieces = [part.taken_for[name] for part in parts]
            whole.taken_for[name] = np.concatenate(pieces)
        whole.work = sum(part.work for part in parts)
        whole.jobs_done = sum(part.jobs_done for part in parts)
        reasons = {}
        for part in reversed(parts):  # The first one's reason counts.
            reasons |= part.skipped
        for each in first.entries:  # In one order, whoever found them.
            if each.name in reasons:
                whole.skipped[each.name] = reasons[each.name]
        return whole

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

    def min_distance(self, entry):
        """Returns the smallest distances of an entry and those before it."""
        return np.min([self.distances[k] for k in self._until(entry)], axis=0)

    def nearest_classes(self, entry):
        """Returns what images are taken for at `min_distance`."""
        return self._classes_at_nearest(self._until(entry))

    def group_min_distance(self, entry):
        """Returns the smallest distances of all entries of its group."""
        return self.min_distance(self._group(entry)[-1])

    def measures(self, entry):
        """Tells whether an entry looks for the smallest distances.

        Of a group at one radius only success is asked, which is cheaper.
        """
        is_part = entry.group != entry.name
        only_success = is_part and len(self.threat.epsilons) == 1
        return entry.attack.minimal and not only_success

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

    def worst_case_classes(self, epsilon):
        """Returns what images are taken for in the worst case at a radius.

        That is the class at the smallest distance of all entries, and the true
        one where all of them fail.
        """
        classes = self._classes_at_nearest(self.distances)
        return np.where(self.is_robust(epsilon), self.labels, classes)

    def column(self, entry, epsilon):
        """Returns the name of what belongs to an entry at an epsilon."""
        return f"{entry.name}@{self.threat.label(epsilon)}"

    def add_successes(self, entry, where, distances, classes):
        """Notes the distances at which an entry succeeded.

        Args:
            entry: The entry.
            where: The places of the images in the block.
            distances: One for each of these; infinite where it failed.
            classes: What the model takes each of them for.
        """
        nearer = distances < self.distances[entry.name][where]
        where = where[nearer]
        self.distances[entry.name][where] = distances[nearer]
        self.taken_for[entry.name][where] = classes[nearer]

    def copy_previous_images(self, entry, epsilon):
        """Starts the kept images of a job from those of the job before."""
        order = image_columns(self._group(entry), self.threat)
        column = self.column(entry, epsilon)
        if column != order[0]:
            before = order[order.index(column) - 1]
            for kept in self.kept.values():
                kept.copy(before, column)

    def put_images(self, column, where, images):
        """Keeps images of an attack, as far as they are to be kept.

        Args:
            column: What `column` returned.
            where: The places of the images in the block.
            images: The images.
        """
        for kept in self.kept.values():
            kept.put(column, self.rows[where], images)

    def _until(self, entry):
        """The names of an entry and those before it in its group."""
        names = [each.name for each in self._group(entry)]
        return names[: names.index(entry.name) + 1]

    def _classes_at_nearest(self, names):
        nearest = np.argmin([self.distances[name] for name in names], axis=0)
        classes = np.stack([self.taken_for[name] for name in names])
        return classes[nearest, np.arange(len(self))]

    def _group(self, entry):
        return [each for each in self.entries if each.group == entry.group]


def image_columns(entries, threat):
    """Lists the names of what attacks leave behind, in the order of jobs.

    Args:
        entries: The list of `AttackEntry`.
        threat: The `ThreatModel`.
    """
    return [
        f"{entry.name}@{threat.label(epsilon)}"
        for epsilon in threat.epsilons
        for entry in entries
    ]
