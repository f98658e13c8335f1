"""Images, labels and boxes on their way in: checked and converted once."""

from .arrays import to_numpy as to_numpy
from .blocks import blocks as blocks
from .blocks import check_columns as check_columns
from .blocks import number_of_images as number_of_images
from .boxes import box_array as box_array
from .boxes import boxes_by_image as boxes_by_image
from .boxes import checked_boxes as checked_boxes
from .boxes import object_masks as object_masks
from .boxes import padded_boxes as padded_boxes
from .checked_blocks import CheckedBlocks as CheckedBlocks
from .images import as_images as as_images
from .images import check_contrast as check_contrast
from .images import check_images as check_images
from .labels import check_labels as check_labels
from .labels import class_indices as class_indices
from .labels import class_probabilities as class_probabilities
from .labels import has_columns as has_columns
from .padding import padded_batches as padded_batches
from .padding import padded_size as padded_size
from .value_range import check_value_range as check_value_range
from .value_range import known_value_range as known_value_range
from .value_range import resolve_value_range as resolve_value_range
