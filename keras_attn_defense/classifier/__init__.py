"""What the package needs to know of a user's model: logits and features."""

from .arguments import check_count as check_count
from .arguments import check_named as check_named
from .arguments import check_number as check_number
from .arguments import not_defined as not_defined
from .arguments import refuse_arguments as refuse_arguments
from .checks import as_images as as_images
from .checks import check_images as check_images
from .checks import check_labels as check_labels
from .checks import check_value_range as check_value_range
from .checks import class_indices as class_indices
from .checks import class_probabilities as class_probabilities
from .checks import has_columns as has_columns
from .classifier import Classifier as Classifier
from .classifier import input_shape as input_shape
from .classifier_view import ClassifierView as ClassifierView
from .compiled_functions import CompiledFunctions as CompiledFunctions
from .ensemble_classifier import EnsembleClassifier as EnsembleClassifier
from .frozen import frozen as frozen
from .function_classifier import as_classifier as as_classifier
from .precision import full_precision as full_precision
from .preprocessing import built_in_preprocessing as built_in_preprocessing
from .preprocessing import check_built_in_scale as check_built_in_scale
from .preprocessing import has_preprocessor as has_preprocessor
from .signature import Unseen as Unseen
from .structure import all_layers as all_layers
from .value_range import resolve_value_range as resolve_value_range
