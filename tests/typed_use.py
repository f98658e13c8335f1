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
    assert_type(report, kad.evaluation.RobustnessReport)
    assert_type(report.robust_accuracy, dict[float, float])
    assert_type(report.distances, dict[str, float])
    assert_type(report.accuracy_at(0.05, "fgsm"), float)
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
    assert_type(
        kad.analysis.attention_scatter(maps), kad.analysis.AttentionScatter
    )
    train, test = kad.datasets.load_digit_scenes()
    assert_type(test, kad.datasets.ImageSplit)


class Towards(kad.attacks.GradientAttack):
    """A user's attack of gradient steps."""

    def target(
        self, victim: kad.attacks.ClassifierView, images: Any, labels: Any
    ) -> tuple[Any, float]:
        victim.feature_layer("last")  # type: ignore[attr-defined]
        return keras.ops.argmin(victim.frozen_logits(images), -1), -1.0


class Search(kad.attacks.SearchAttack):
    """A user's search."""

    def begin(self, task: kad.attacks.Task) -> dict[str, Any]:
        assert_type(task.victim, kad.attacks.ClassifierView)
        assert_type(task.value_range, tuple[float, float])
        return {"found": task.is_success(task.victim.logits(task.images))}

    def step(
        self, task: kad.attacks.Task, state: Any, count: Any, draws: Any
    ) -> dict[str, Any]:
        return kad.attacks.select(state["found"], state, self.begin(task))


class Map(kad.attention.FeatureMethod):
    """A user's attention map."""

    def channel_weights(self, features: Any, gradients: Any) -> Any:
        return keras.ops.mean(gradients, axis=(1, 2), keepdims=True)


class Entropy(kad.attacks.objectives.Objective):
    """A user's objective."""

    def call(self, logits: Any, labels: Any, reference: Any) -> Any:
        log_p = keras.ops.log_softmax(logits)
        return -keras.ops.sum(keras.ops.exp(log_p) * log_p, axis=-1)


class Distance(keras.losses.Loss):
    """A user's loss of two maps."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return keras.ops.mean(keras.ops.abs(y_true - y_pred), axis=(1, 2))


def extend(base: keras.Model) -> None:
    kad.AttentionDefendedModel(
        base,
        Towards(objective=Entropy()),
        Map("last"),
        preservation_loss=Distance(),
    )
    kad.AttentionDefendedModel(
        base,
        attack=Towards,  # type: ignore[arg-type]
    )
