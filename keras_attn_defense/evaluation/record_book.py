"""The results of all blocks so far."""

import numpy as np

from .kept_images import KeptImages
from .records import CLEAN
from .records import Records
from .records import image_columns


class RecordBook:
    """The `Records` of the blocks that were begun, by their numbers.

    Blocks may be noted in any order: nothing that is read from the book
    depends on it.

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
        self.seed = seed
        self.parts = {}
        columns = image_columns(entries, threat)
        #: Columns and number of the images to keep, by what they are called
        #: in the state file.
        self.kept = {
            "images": (columns if keep_images else [], None),
            "gallery": ([CLEAN, *columns] if gallery else [], gallery),
        }

    def __len__(self):
        return sum(map(len, self.parts.values()))

    @property
    def jobs(self):
        """The number of jobs of a block."""
        return len(self.entries) * len(self.threat.epsilons)

    @property
    def skipped(self):
        """Attacks that could not work on the model, and why."""
        skipped = {}
        for part in self.parts.values():
            skipped |= part.skipped
        return skipped

    def begun(self, block, predictions, checksum):
        """Returns the `Records` of a new block, without results.

        Args:
            block: The `Block`.
            predictions: The predicted classes of its images.
            checksum: That of its images and labels.
        """
        kept = {
            name: KeptImages.of_block(
                columns, block.first, block.images, most, self.seed
            )
            for name, (columns, most) in self.kept.items()
        }
        return Records(
            self.entries,
            self.threat,
            block.first + np.arange(len(block.images)),
            block.labels,
            predictions,
            np.array([checksum]),
            kept,
        )

    def note(self, number, records):
        """Takes in the results of a block so far.

        Args:
            number: The number of the block.
            records: Its `Records`.
        """
        self.parts[number] = records
        columns, most = self.kept["gallery"]
        if not columns:
            return
        galleries = [part.kept["gallery"] for part in self.parts.values()]
        draws = np.concatenate([each.draws for each in galleries])
        if len(draws) > most:
            bound = np.partition(draws, most - 1)[most - 1]
            for each in galleries:
                each.drop(bound)

    def done(self):
        """The number of images that are done; an image in parts counts so."""
        done = [len(part) * part.jobs_done for part in self.parts.values()]
        return sum(done) // self.jobs

    def share(self, count):
        """Returns a share of all images.

        Args:
            count: A function of `Records` that tells which images count.
        """
        counted = [count(part).sum() for part in self.parts.values()]
        return sum(counted) / len(self)

    def joined(self):
        """The `Records` of all blocks, in the order of the data."""
        return Records.joined(part for _, part in sorted(self.parts.items()))
