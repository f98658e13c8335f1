"""Attacks by the names that papers and leaderboards use."""

from collections.abc import Callable
from typing import Any

from .._arguments import check_named
from .._arguments import refuse_arguments
from .._typing import Norm
from .apgd import APGD
from .attack import Attack
from .attention_attack import AttentionAttack
from .auto_attack import AutoAttack
from .auto_attack_versions import COMPONENTS
from .bim import BIM
from .carlini_wagner import CarliniWagner
from .ddn import DDN
from .deep_fool import DeepFool
from .ead import EAD
from .fgsm import FGSM
from .fmn import FMN
from .hop_skip_jump import HopSkipJump
from .momentum_bim import MomentumBIM
from .nfgsm import NFGSM
from .pgd import PGD
from .szegedy_lbfgs import SzegedyLBFGS

_CLASSES = {
    "fgsm": FGSM,
    "n-fgsm": NFGSM,
    "bim": BIM,
    "mim": MomentumBIM,
    "pgd": PGD,
    "apgd": APGD,
    "attention": AttentionAttack,
    "deepfool": DeepFool,
    "ddn": DDN,
    "fmn": FMN,
    "ead": EAD,
    "cw": CarliniWagner,
    "lbfgs": SzegedyLBFGS,
    "hopskipjump": HopSkipJump,
    "autoattack": AutoAttack,
}


def get(
    name: Any,
    epsilon: float | None = None,
    *,
    norm: Norm | None = None,
    **kwargs: Any,
) -> Attack:
    """Returns an attack by its name.

    Args:
        name: `"fgsm"`, `"n-fgsm"`, `"bim"`, `"mim"`, `"pgd"`, `"apgd"`,
            `"apgd-ce"`, `"apgd-dlr"`, `"apgd-t"`, `"attention"`, `"fab"`,
            `"fab-t"`, `"square"`, `"deepfool"`, `"ddn"`, `"fmn"`, `"ead"`,
            `"cw"`, `"lbfgs"`, `"hopskipjump"` or `"autoattack"`. An attack is
            returned as it is.
        epsilon: Radius of the ball, in the units of the images.
        norm: `"linf"`, `"l2"` or `"l1"`. None leaves it to the attack: `"l2"`
            for DeepFool, DDN, Carlini-Wagner, L-BFGS and HopSkipJump, `"l1"`
            for EAD, `"linf"` for the others.
        **kwargs: Further arguments of that attack.

    Returns:
        An `Attack`.

    Raises:
        ValueError: If there is no attack of that name, or arguments are given
            beside an attack.

    Example:

    ```python
    attack = kad.attacks.get("apgd-dlr", 8 / 255, seed=0)
    ```
    """
    given = {"epsilon": epsilon, "norm": norm, **kwargs}
    given = {key: value for key, value in given.items() if value is not None}
    if isinstance(name, Attack):
        refuse_arguments(name, given)
        return name
    known: dict[str, Callable[..., Attack]] = {**_CLASSES, **COMPONENTS}
    return known[check_named(name, known, Attack, "An attack")](**given)
