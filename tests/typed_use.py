"""A user's code as a type checker sees it; mypy reads it, nothing runs it.

`warn_unused_ignores` makes each `type: ignore` a test: it fails where mypy no
longer finds the mistake.
"""

from typing import Any
from typing import assert_type

import keras
import numpy as np

import keras_attn_defense as kad


def defend(base: keras.Model, x: np.ndarray, y: np.ndarray) -> None:
    model = kad.AttentionDefendedModel(
        base,
        attack=kad.attacks.PGD(epsilon=8 / 255, step_size=2 / 255, steps=7),
        attention=kad.attention.GradCAM(layer="conv", normalization="l2"),
        mask=kad.attention.AttentionMask("maximum", 0.6),
        rectification_loss=kad.losses.RectificationLoss(),
    )
    model.attention_map(x, "predicted")
    kad.AttentionDefendedModel(base, attack=8 / 255)  # type: ignore[arg-type]
    kad.AttentionDefendedModel(
        base,
        attention_weight=1.0,  # type: ignore[call-arg]
    )


def evaluate(model: keras.Model, x: np.ndarray, y: np.ndarray) -> None:
    report = kad.evaluate_robustness(
        model, x, y, attacks=["apgd-ce", kad.attacks.FGSM()], epsilons=[0.1]
    )
    assert_type(report, kad.evaluation.Report)
    assert_type(report.robust_accuracy, dict[float, float])
    report.save("card.json")
    assert_type(kad.evaluation.load_card("card.json"), dict[str, Any])
    kad.evaluate_robustness(model, x, y, norm="l3")  # type: ignore[arg-type]
    kad.evaluate_robustness(model, x, y, limit="all")  # type: ignore[arg-type]


def attack(model: keras.Model, x: np.ndarray, y: np.ndarray) -> None:
    by_name = kad.attacks.get("apgd-dlr", 8 / 255)
    assert_type(by_name, kad.attacks.Attack)
    assert_type(by_name.run(model, x, y), kad.attacks.AttackResult)
    assert_type(kad.attacks.PGD().with_epsilon(0.1), kad.attacks.PGD)
    kad.attacks.PGD(0.1, 0.01, steps="many")  # type: ignore[arg-type]
    # A function of images is a model as well.
    by_name(lambda images: images[:, 0, 0], x, y)


def study(model: keras.Model, x: np.ndarray, y: np.ndarray) -> None:
    result = kad.analysis.AttentionStudy(model, kad.attacks.BIM()).run(x, y)
    assert_type(result, kad.analysis.StudyResult)
    assert_type(
        kad.analysis.compare_studies({"mine": result}),
        kad.analysis.StudyComparison,
    )
    maps = kad.attention.GradCAM(model=model)(x, y)
    assert_type(kad.analysis.attention_scatter(maps), kad.analysis.Scatter)
    train, test = kad.datasets.load_digit_scenes()
    assert_type(test, kad.datasets.ImageSplit)
