"""Attention maps and masks, differentiable and batched."""

from .._public import public_names as _public_names
from .attention_mask import AttentionMask as AttentionMask
from .attention_mask import intersection_over_union as intersection_over_union
from .attention_method import AttentionMethod as AttentionMethod
from .black_box_method import BlackBoxMethod as BlackBoxMethod
from .eigen_cam import EigenCAM as EigenCAM
from .faithfulness import average_drop as average_drop
from .faithfulness import deletion_curve as deletion_curve
from .faithfulness import insertion_curve as insertion_curve
from .feature_method import FeatureMethod as FeatureMethod
from .grad_cam import GradCAM as GradCAM
from .grad_cam_plus_plus import GradCAMPlusPlus as GradCAMPlusPlus
from .hi_res_cam import HiResCAM as HiResCAM
from .input_gradients import InputGradients as InputGradients
from .layer_cam import LayerCAM as LayerCAM
from .lime import LIME as LIME
from .named import get as get
from .occlusion import Occlusion as Occlusion
from .score_cam import ScoreCAM as ScoreCAM
from .smooth_grad import SmoothGrad as SmoothGrad
from .x_grad_cam import XGradCAM as XGradCAM


def __dir__():
    return _public_names(globals())
