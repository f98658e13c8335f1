"""Losses on predictions and attention maps, per sample, reduced by Keras."""

from .._public import public_names as _public_names
from .adversarial_crossentropy import (
    AdversarialCrossentropy as AdversarialCrossentropy,
)
from .ard import ARD as ARD
from .debiased_rectification_loss import (
    DebiasedRectificationLoss as DebiasedRectificationLoss,
)
from .distillation_loss import DistillationLoss as DistillationLoss
from .elle import ELLE as ELLE
from .igdm import IGDM as IGDM
from .label_crossentropy import LabelCrossentropy as LabelCrossentropy
from .logit_pairing import LogitPairing as LogitPairing
from .mart import MART as MART
from .preservation_loss import PreservationLoss as PreservationLoss
from .rectification_loss import RectificationLoss as RectificationLoss
from .robust_loss import RobustLoss as RobustLoss
from .rslad import RSLAD as RSLAD
from .score import SCORE as SCORE
from .trades import TRADES as TRADES


def __dir__():
    return _public_names(globals())
