"""What data an evaluation is known by."""

import numpy as np

from keras_attn_defense.evaluation.fingerprint import data_checksum


def test_values_shapes_and_types_of_data_count():
    data = np.arange(6, dtype="int32")
    different = [
        data,
        data[::-1],
        data.reshape(2, 3),
        data.reshape(3, 2),
        data.view("uint32"),
    ]
    checksums = [data_checksum(each) for each in different]
    assert len(set(checksums)) == len(different)
    # Where one array ends and the next begins.
    assert data_checksum(data[:2], data[2:]) != data_checksum(data)
    # A copy in another order of memory is the same data.
    square = np.arange(4.0).reshape(2, 2)
    assert data_checksum(square) == data_checksum(np.asfortranarray(square))
    assert 0 <= min(checksums) and max(checksums) < 2**63
