"""Views of a user's model: its logits and features."""

from .classifier import Classifier as Classifier
from .classifier import input_shape as input_shape
from .classifier_view import ClassifierView as ClassifierView
from .compiled_functions import CompiledFunctions as CompiledFunctions
from .ensemble_classifier import EnsembleClassifier as EnsembleClassifier
from .frozen import frozen as frozen
from .frozen import is_seed as is_seed
from .function_classifier import as_classifier as as_classifier
from .how_to_attack import HowToAttack as HowToAttack
from .how_to_attack import substituted as substituted
from .how_to_attack import with_slope_of as with_slope_of
from .hub_task import has_preprocessor as has_preprocessor
from .intercept import unheard as unheard
from .precision import full_precision as full_precision
from .precision import normalized_pullback as normalized_pullback
from .precision import scaled_pullback as scaled_pullback
from .signature import Unseen as Unseen
from .structure import all_layers as all_layers
