"""AutoAttack and its versions."""

from .auto_attack import AutoAttack as AutoAttack
