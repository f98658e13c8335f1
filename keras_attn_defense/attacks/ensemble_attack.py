"""Attacks crafted on several models: transfer, and ensemble training."""

import copy
from collections.abc import Sequence
from typing import Any
from typing import Self

import keras
import numpy as np
from keras import ops

from .._registration import register
from .._typing import Model
from .._typing import Tensor
from .._typing import ValueRange
from ..classifier import Classifier
from ..classifier import ClassifierView
from ..classifier import EnsembleClassifier
from ..classifier import as_classifier
from .attack import Attack
from .engine.attack_result import AttackResult
from .pgd import PGD


@register
class EnsembleAttack(Attack):
    """An attack on several models at once, or on one of them for each image.

    Crafted on other models than the one that is attacked, adversarial images
    show how far they transfer, and whether a model only hides its gradients.
    In training they are the examples of ensemble adversarial training, which
    do not depend on the weights that are being trained.

    The source models run in inference mode and stay as they are. All models
    have the same classes and take the same images. Sources are saved with a
    model that trains with them. On JAX their weights become part of a compiled
    training step: compile the model again if you change them.

    Args:
        models: A list of Keras classifiers, the sources.
        attack: The attack, with its radius, norm and steps. None means
            `PGD()`.
        mode: `"joint"` attacks the mean of the models' log-probabilities;
            `"rotate"` attacks one model for each image, in turn from a random
            offset, which takes as long as attacking a single model. Its
            batches should be several times as large as the number of models.
        include_victim: Whether the attacked model is one of the models too.
        name: Name of the layer.

    Example:

    ```python
    first = keras.models.clone_model(model)
    second = keras.models.clone_model(model)
    transfer = kad.attacks.EnsembleAttack([first, second], kad.attacks.PGD())
    x_adv = transfer(model, x, y)

    # To train with: one model for each image, the trained one among them.
    attack = kad.attacks.EnsembleAttack(
        [first, second],
        kad.attacks.PGD(steps=7),
        mode="rotate",
        include_victim=True,
    )
    defended = kad.AttentionDefendedModel(model, attack=attack)
    ```

    Reference:
        [Liu et al., 2017](https://arxiv.org/abs/1611.02770), section 5, for
        the ensemble; [Tramèr et al., 2018](https://arxiv.org/abs/1705.07204),
        section 4, for training.
    """

    def __init__(
        self,
        models: Sequence[Model],
        attack: Attack | None = None,
        *,
        mode: str = "joint",
        include_victim: bool = False,
        name: str | None = None,
    ) -> None:
        attack = PGD() if attack is None else attack
        if not isinstance(attack, Attack):
            raise ValueError(
                "`attack` should be an attack, such as `kad.attacks.PGD()`. "
                f"Received: attack={attack!r}"
            )
        if mode not in ("joint", "rotate"):
            raise ValueError(
                f"`mode` should be 'joint' or 'rotate'. Received: mode={mode!r}"
            )
        super().__init__(
            attack.epsilon,
            norm=attack.norm,
            targeted=attack.targeted,
            restarts=attack.restarts,
            value_range=attack.value_range,
            seed=attack.seed,
            name=name,
        )
        self._works_by(attack)
        self.mode = mode
        self.include_victim = bool(include_victim)
        self.black_box = not include_victim
        self.minimal = attack.minimal
        sources: Any = models
        if not isinstance(models, SourceModels):
            sources = SourceModels(models)
            EnsembleClassifier(sources.classifiers)  # They fit.
        self._sources = sources  # Not the models: Keras would track them.

    @property
    def models(self) -> list[Model]:
        """The source models."""
        return [each.model for each in self._sources.classifiers]

    @property
    def takes_soft_labels(self) -> bool:  # type: ignore[override]
        return self.attack.takes_soft_labels

    def check(self, model: Any) -> None:
        for view in self._views(as_classifier(model)):
            self.attack.check(view)

    def perturb(
        self,
        victim: ClassifierView,
        images: Tensor,
        labels: Tensor,
        value_range: ValueRange,
        start: Tensor | None = None,
        steps: int | None = None,
    ) -> Tensor:
        views = self._views(victim)
        count, total = len(views), ops.shape(images)[0]
        offset = 0
        if count > 1:
            share = keras.random.uniform((), seed=self.attack.seed_generator)
            offset = ops.cast(share * count, "int32")
        # Image `i` is at place `i + offset`, and place `p` belongs to model
        # `p % count`. With `count - 1` more places than images, each
        # image has one for any offset, and each model has at least one image;
        # some images are attacked twice.
        places = ops.arange(total + count - 1, dtype="int32")
        parts = [places[number::count] for number in range(count)]
        crafted = []
        for view, part in zip(views, parts, strict=True):
            # Shapes must not depend on the random offset, so the places of a
            # model are fixed, and which image stands there varies.
            rows = (part - offset) % total
            batch = [_rows(values, rows) for values in (images, labels, start)]
            crafted.append(
                self.attack.perturb(
                    view, batch[0], batch[1], value_range, batch[2], steps
                )
            )
        # From the order of the models back to that of the places.
        back = ops.argsort(ops.concatenate(parts))
        back = _rows(back, places[:total] + offset)
        return _rows(ops.concatenate(crafted), back)

    def run_batches(
        self,
        victim: ClassifierView,
        value_range: ValueRange,
        images: Tensor,
        labels: Tensor,
        batch_size: int,
    ) -> Any:
        views = self._views(victim)
        crafted = np.empty_like(images)
        passes = np.zeros((2, len(images)), "int64")
        for number, view in enumerate(views):
            rows = slice(number, None, len(views))
            result = self.attack.run_batches(
                view, value_range, images[rows], labels[rows], batch_size
            )
            crafted[rows] = result.images
            # Those of the attacked model count, not those of the sources.
            if view is victim or (self.mode == "joint" and self.include_victim):
                passes[:, rows] = result[1:]
        return AttackResult(crafted, *passes)

    def _views(self, victim):
        """Lists each view to attack with its share of the images."""
        # Also where the victim is not attacked, it has to fit.
        members = EnsembleClassifier([*self._sources.classifiers, victim])
        if not self.include_victim:
            members = EnsembleClassifier(self._sources.classifiers)
        return [members] if self.mode == "joint" else list(members.members)

    def reseed(self, seed: int) -> None:
        self.attack.reseed(seed)

    def with_epsilon(self, epsilon: float | None) -> Self:
        other = super().with_epsilon(epsilon)
        other._works_by(self.attack.with_epsilon(epsilon))
        return other

    def __copy__(self):
        other = super().__copy__()
        other._works_by(other.attack)
        return other

    def _works_by(self, attack):
        self.attack = attack
        # Schedules change the strength of the attack that is at work.
        del self.strength
        self.strength = attack.strength

    def get_config(self) -> dict[str, Any]:
        return {
            "models": self._sources.configs(),
            "attack": keras.saving.serialize_keras_object(self.attack),
            "mode": self.mode,
            "include_victim": self.include_victim,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        # Keras empties the configuration of a functional model.
        models, attack = (
            keras.saving.deserialize_keras_object(copy.deepcopy(config[key]))
            for key in ("models", "attack")
        )
        sources = SourceModels(models, trained=False)
        return cls(**{**config, "models": sources, "attack": attack})

    def save_own_variables(self, store: Any) -> None:
        super().save_own_variables(store)
        self._sources.save(store)

    def load_own_variables(self, store: Any) -> None:
        super().load_own_variables(store)
        self._sources.load(store)


def _rows(values, rows):
    return None if values is None else ops.take(values, rows, axis=0)


class SourceModels:
    """Trained models, kept out of sight of Keras.

    A plain object: the layer that holds it does not track the models, so they
    are neither trained nor counted among its weights.

    Args:
        models: A list of built Keras classifiers.
        trained: Whether their weights are those that were meant. False for
            models rebuilt from their configuration, until weights are loaded.
    """

    def __init__(self, models, trained=True):
        models = list(models) if isinstance(models, (list, tuple)) else None
        if not models:
            raise ValueError(
                "`models` should be a list of at least one Keras classifier. "
                f"Received: {models!r}"
            )
        self._classifiers = [Classifier(model) for model in models]
        self._trained = trained

    @property
    def classifiers(self):
        """A classifier view of each model."""
        if not self._trained:
            raise ValueError(
                "The source models were rebuilt from their configuration, "
                "which has no weights. Load the whole model that trains with "
                "them (`keras.saving.load_model`), or pass trained models to "
                "`EnsembleAttack`."
            )
        for classifier in self._classifiers:
            classifier.refresh()
        return self._classifiers

    def configs(self):
        """The configurations of the models, without weights."""
        return [
            keras.saving.serialize_keras_object(each.model)
            for each in self._classifiers
        ]

    def save(self, store):
        """Writes all weights to a dict of arrays."""
        for key, variable in self._keyed():
            store[key] = ops.convert_to_numpy(variable)

    def load(self, store):
        """Reads what `save` wrote."""
        for key, variable in self._keyed():
            variable.assign(np.asarray(store[key]))
        self._trained = True

    def _keyed(self):
        for number, classifier in enumerate(self._classifiers):
            for index, variable in enumerate(classifier.variables):
                yield f"source_{number}_{index}", variable
