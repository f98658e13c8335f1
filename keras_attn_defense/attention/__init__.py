"""Attention maps and masks, differentiable and batched."""

from .attention_mask import AttentionMask as AttentionMask
from .attention_method import AttentionMethod as AttentionMethod
from .feature_method import FeatureMethod as FeatureMethod
from .grad_cam import GradCAM as GradCAM
from .overlap import intersection_over_union as intersection_over_union
