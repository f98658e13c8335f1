"""Attacks on several models."""

from .ensemble_attack import EnsembleAttack as EnsembleAttack
