"""A file from which an interrupted evaluation goes on."""

import json
import os
import pathlib

from .shard import shard_name
from .state_file import damaged
from .state_file import differences
from .state_file import read_state
from .state_file import write_state


class State:
    """Saves results after each attack, and finds them again.

    Args:
        path: The file, or None for no file at all.
        shard: `(index, count)`, or None for all images.
        attacks: The argument that named the attacks.
    """

    def __init__(self, path=None, shard=None, attacks=None):
        self.path = None if path is None else pathlib.Path(path)
        self._shard = shard
        self._attacks = _names(attacks)
        self._fingerprint = {}
        self._complete = False
        if self.path is not None and not self.path.parent.is_dir():
            raise ValueError(
                f"The folder of state='{path}' does not exist. Create it first."
            )

    def load(self, book, fingerprint):
        """Fills a book from the file, if there is one.

        Args:
            book: The `RecordBook`.
            fingerprint: A dict of what has to be equal for equal numbers.
        """
        self._fingerprint = json.loads(json.dumps(fingerprint))
        if self.path is None or not os.path.exists(self.path):
            return
        found = read_state(self.path)
        self._compare(found)
        for number, records in found.records(book).items():
            book.note(number, records)
        self._complete = found.complete

    def save(self, book):
        """Writes a book, so that a killed process loses one attack only."""
        if self.path is None:
            return
        header = {
            "fingerprint": self._fingerprint,
            "attacks": self._attacks,
            "shard": self._shard,
            "complete": self._complete,
        }
        write_state(self.path, header, book)

    def check_known(self, records, block, checksum):
        """Raises a `ValueError` if a block is not the one seen before.

        Args:
            records: The `Records` of it.
            block: The `Block`.
            checksum: That of its images and labels.
        """
        if records.checksums[0] != checksum:
            raise ValueError(
                f"The state file '{self.path}' belongs to other data: block "
                f"{block.number} of images or labels differs. Data has to come "
                "in the same order each time, so switch off shuffling; or "
                "delete the file to start from the beginning."
            )
        check_rows(self.path, records, block)

    def check_new(self, block, book):
        """Raises a `ValueError` if all images of the file were seen already.

        Args:
            block: A further `Block`.
            book: The `RecordBook`.
        """
        if self._complete:
            raise ValueError(
                f"The state file '{self.path}' belongs to other data: it ended "
                f"with all of its {len(book)} images, and there are more. "
                "Delete it to start from the beginning, or name another file."
            )

    def finish(self, book, total):
        """Notes that the data has ended.

        Args:
            book: The `RecordBook`.
            total: The number of images that there were.

        Raises:
            ValueError: If the file knows more images than there are.
        """
        if len(book) > total:
            raise ValueError(
                f"The state file '{self.path}' belongs to other data: it knows "
                f"{len(book)} images, and there are {total}. Delete it to "
                "start from the beginning, or name another file."
            )
        if not self._complete:
            self._complete = True
            self.save(book)

    def _compare(self, found):
        if found.shard != self._shard:
            raise ValueError(
                f"The state file '{self.path}' is {shard_name(found.shard)}, "
                f"and this is {shard_name(self._shard)}. Name another file for "
                "each shard."
            )
        different = list(differences(found.fingerprint, self._fingerprint))
        if different:
            raise ValueError(
                f"The state file '{self.path}' belongs to another evaluation: "
                f"{'; '.join(different)}. Repeat the call as it was to go on, "
                "delete the file to start from the beginning, or name another "
                "file."
            )


def check_rows(path, records, block):
    """Raises a `ValueError` if a block is not where it should be."""
    rows = range(block.first, block.first + len(block.images))
    if records.rows.tolist() != list(rows):
        raise damaged(path, f"It places block {block.number} elsewhere.")


def _names(attacks):
    """The attacks as text, or None if an object is among them."""
    if isinstance(attacks, str):
        return attacks
    if isinstance(attacks, (list, tuple)):
        texts = all(isinstance(each, str) for each in attacks)
        return list(attacks) if texts else None
    return None
