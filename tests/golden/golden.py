"""What the golden values are values of."""

import keras
import numpy as np
from keras import layers
from keras import ops

from keras_attn_defense import AttentionDefendedModel
from keras_attn_defense.attacks import BIM
from keras_attn_defense.attacks import FGSM
from keras_attn_defense.attacks import MomentumBIM
from keras_attn_defense.attacks import StepLL
from keras_attn_defense.attention import AttentionMask
from keras_attn_defense.attention import GradCAM
from keras_attn_defense.classifier import Classifier
from keras_attn_defense.losses import LabelCrossentropy
from keras_attn_defense.losses import PreservationLoss
from keras_attn_defense.losses import RectificationLoss

SHAPE = (12, 12, 2)
CLASSES = 5
DISTANCES = (
    "squared_error",
    "mean_squared_error",
    "l1",
    "kl",
    "jensen_shannon",
    "cross_entropy",
)
ATTACKS = {
    "fgsm": FGSM(0.1),
    "bim": BIM(0.1, steps=4),
    "bim_l2": BIM(0.8, steps=4, norm="l2"),
    "momentum_bim": MomentumBIM(0.1, steps=4),
    "step_ll": StepLL(0.075),
}


def build(weights):
    """BatchNorm, an average pooling, and a smooth head of two layers."""
    model = keras.Sequential(
        [
            keras.Input(SHAPE),
            layers.Conv2D(4, 3, padding="same", use_bias=False),
            layers.BatchNormalization(epsilon=1e-3),
            layers.Activation("gelu"),
            layers.AveragePooling2D(2),
            layers.Conv2D(6, 3, padding="same", activation="tanh"),
            layers.Flatten(),
            layers.Dense(8, activation="tanh"),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    model.set_weights(weights)
    return model


def draw():
    """Weights, images and labels from one NumPy seed."""
    generator = np.random.default_rng(2024)
    weights = [
        generator.normal(size=(3, 3, 2, 4)) * 0.5,
        generator.uniform(0.8, 1.2, 4),  # BatchNorm: gamma, beta,
        generator.normal(size=4) * 0.1,
        generator.normal(size=4) * 0.1,  # moving mean and variance.
        generator.uniform(0.5, 1.5, 4),
        generator.normal(size=(3, 3, 4, 6)) * 0.3,
        generator.normal(size=6) * 0.1,
        generator.normal(size=(216, 8)) * 0.1,
        generator.normal(size=8) * 0.1,
        generator.normal(size=(8, CLASSES)),
        generator.normal(size=CLASSES) * 0.1,
    ]
    images = generator.uniform(size=(3, *SHAPE)).astype("float32")
    labels = np.array([4, 0, 2], dtype="int32")
    return [weight.astype("float32") for weight in weights], images, labels


def step_changes(weights, images, labels):
    """What one SGD step with every loss changes each weight by."""
    model = AttentionDefendedModel(
        build(weights),
        FGSM(0.1),
        GradCAM(normalization="softmax", upsample=True),
        classification_weight=8.0,
        rectification_weight=4.0,
        preservation_weight=100.0,
        validation_attack=None,
    )
    model.compile(keras.optimizers.SGD(0.05), LabelCrossentropy())
    model.train_on_batch(images, labels)
    return {
        f"change_{i}": ops.convert_to_numpy(after) - before
        for i, (before, after) in enumerate(
            zip(weights, model.base.weights, strict=True)
        )
    }


def compute(weights, images, labels):
    """A dict of NumPy arrays, each name saying what it is of."""
    model = build(weights)
    classifier = Classifier(model)
    results = {"logits": classifier.logits(images)}
    for name, attack in ATTACKS.items():
        results[name] = attack(model, images, labels)
    maps = {}
    for normalization in ("softmax", "max", "sum", "l2", None):
        for scale in (True, False):
            method = GradCAM(
                normalization=normalization,
                upsample=True,
                scale_gradients=scale,
                model=model,
            )
            name = f"map_{normalization}_{'scaled' if scale else 'plain'}"
            results[name] = maps[name] = method(images, labels)
    clean = maps["map_softmax_scaled"]
    softmax = GradCAM(normalization="softmax", upsample=True, model=model)
    moved = softmax(results["bim"], labels)
    tensor = ops.convert_to_tensor(images)
    for threshold in ("mean", "maximum", "quantile", "area"):
        for mode in ("hard", "soft"):
            masked = AttentionMask(threshold, mode=mode)(tensor, clean)
            results[f"masked_{threshold}_{mode}"] = masked
    logits = classifier.logits(results["masked_mean_hard"])
    for distance in DISTANCES:
        loss = RectificationLoss(distance, reduction=None)
        results[f"rectification_{distance}"] = loss(results["logits"], logits)
    for distance in ("squared_error", "l1"):
        loss = PreservationLoss(distance, reduction=None)
        results[f"preservation_{distance}"] = loss(clean, moved)
    loss = LabelCrossentropy(from_logits=True, reduction=None)
    results["cross_entropy"] = loss(labels, results["logits"])
    results |= step_changes(weights, images, labels)
    return {
        name: np.array(ops.convert_to_numpy(value))
        for name, value in results.items()
    }
