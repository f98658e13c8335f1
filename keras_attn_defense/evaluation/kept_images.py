"""Images of an evaluation that are kept, of all rows or of a sample."""

import numpy as np


class KeptImages:
    """Keeps images by column while blocks of the data pass by.

    Of each row a random number is drawn, and the rows with the smallest ones
    are kept: a sample in which each row has the same chance. It follows from
    the seed and the number of rows alone, so that an evaluation that goes on
    from a file keeps the same rows.

    Args:
        columns: The names of the columns; none to keep nothing.
        most: The number of rows to keep, or None for all.
        seed: Integer seed of the draw.
    """

    def __init__(self, columns, most=None, seed=0):
        self.columns = list(columns)
        #: The positions of the rows that are kept, ascending.
        self.rows = np.zeros(0, "int64")
        #: Their images, a dict of arrays by column.
        self.images = {}
        self._most = most
        self._seed = seed
        self._draws = np.zeros(0)

    def open_block(self, first, images):
        """Starts the columns of a block with its clean images.

        Args:
            first: The position of the block's first row.
            images: The clean images.
        """
        if not self.columns:
            return
        rows = np.append(self.rows, first + np.arange(len(images)))
        draws = np.append(self._draws, self._drawn(first, len(images)))
        kept = self._smallest(draws)
        old, new = kept[kept < len(self.rows)], kept[kept >= len(self.rows)]
        for column in self.columns:
            before = self.images.get(column, images[:0])
            self.images[column] = np.concatenate(
                [before[old], images[new - len(self.rows)]]
            )
        self.rows, self._draws = rows[kept], draws[kept]

    def put(self, column, rows, images):
        """Keeps those of some rows' images that belong to the sample."""
        if column in self.columns:
            kept = np.isin(rows, self.rows)
            places = np.searchsorted(self.rows, rows[kept])
            self.images[column][places] = images[kept]

    def copy(self, before, column, rows):
        """Copies one column to another.

        Args:
            before: The column to copy from.
            column: The column to copy to.
            rows: A slice of positions.
        """
        if column in self.columns:
            places = slice(*np.searchsorted(self.rows, [rows.start, rows.stop]))
            self.images[column][places] = self.images[before][places]

    def restore(self, images, total):
        """Takes over `images`, which were kept of so many rows."""
        if self.columns and total:
            draws = self._drawn(0, total)
            self.rows = self._smallest(draws)
            self._draws = draws[self.rows]
            self.images = {column: images[column] for column in self.columns}

    def _drawn(self, first, count):
        """The random numbers of some rows, whatever was drawn before."""
        bits = np.random.PCG64(self._seed).advance(first)
        return np.random.Generator(bits).random(count)

    def _smallest(self, draws):
        """The places of the smallest numbers, ascending."""
        return np.sort(np.argsort(draws, kind="stable")[: self._most])
