"""Images of an evaluation that are kept, of all rows or of a sample."""

import numpy as np


class KeptImages:
    """Images of some rows of the data, one of each row in every column.

    Args:
        columns: The names of the columns; none to keep nothing.
        rows: The positions of the rows in the data, ascending.
        images: Arrays of images by column.
        draws: A random number for each row, if the rows are a sample.
    """

    def __init__(self, columns, rows=(), images=None, draws=()):
        self.columns = list(columns)
        self.rows = np.asarray(rows, "int64")
        self.images = {} if images is None else images
        self.draws = np.asarray(draws, "float64")

    @classmethod
    def of_block(cls, columns, first, images, most=None, seed=0):
        """Begins each column of a block with its clean images.

        Args:
            columns: The names of the columns.
            first: The position of the block's first row.
            images: The clean images.
            most: The number of rows to keep, or None for all. They are drawn,
                each with the same chance.
            seed: Integer seed of the draw.
        """
        if not columns:
            return cls(columns)
        rows, draws = np.arange(len(images)), ()
        if most is not None:
            draws = drawn(seed, first, len(images))
            rows = smallest(draws, most)
            draws = draws[rows]
        # Copies, each of its own: columns change apart from each other.
        kept = {column: images[rows] for column in columns}
        return cls(columns, first + rows, kept, draws)

    @classmethod
    def joined(cls, parts):
        """Joins those of several blocks, which are in the order of the data."""
        parts = list(parts)
        columns = parts[0].columns
        filled = [part for part in parts if part.images]
        images = {
            column: np.concatenate([part.images[column] for part in filled])
            for column in columns
            if filled
        }
        rows = np.concatenate([part.rows for part in parts])
        draws = np.concatenate([part.draws for part in parts])
        return cls(columns, rows, images, draws)

    def among(self, rows):
        """Returns what is kept of a block, whose `rows` are given."""
        places = slice(*np.searchsorted(self.rows, [rows[0], rows[-1] + 1]))
        images = {column: kept[places] for column, kept in self.images.items()}
        return KeptImages(
            self.columns, self.rows[places], images, self.draws[places]
        )

    def drop(self, bound):
        """Drops the rows whose random numbers are larger than a bound."""
        kept = self.draws <= bound
        if not kept.all():
            self.rows, self.draws = self.rows[kept], self.draws[kept]
            self.images = {k: images[kept] for k, images in self.images.items()}

    def put(self, column, rows, images):
        """Keeps the images of those of some rows that are kept."""
        if column in self.columns:
            kept = np.isin(rows, self.rows)
            places = np.searchsorted(self.rows, rows[kept])
            self.images[column][places] = images[kept]

    def copy(self, before, column):
        """Copies one column to another.

        Args:
            before: The column to copy from.
            column: The column to copy to.
        """
        if column in self.columns:
            self.images[column] = self.images[before].copy()


def drawn(seed, first, count):
    """A random number for each row, which follows from seed and row alone.

    The rows with the smallest numbers are a sample in which each row has the
    same chance, whoever draws it, and in whatever order.

    Args:
        seed: Integer seed.
        first: The position of the first row.
        count: The number of rows.
    """
    bits = np.random.PCG64(seed).advance(first)
    return np.random.Generator(bits).random(count)


def smallest(draws, most):
    """Returns the places of the smallest numbers, ascending."""
    return np.sort(np.argsort(draws, kind="stable")[:most])
