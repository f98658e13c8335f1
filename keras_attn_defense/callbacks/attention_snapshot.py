"""A callback that draws attention maps during training."""

import pathlib
from collections.abc import Sequence
from typing import Any

import keras

from .._arguments import check_count
from .._processes import is_first
from .._typing import Path
from .._typing import Tensor
from .._typing import ValueRange
from ..attacks import Attack
from ..attention import AttentionMask
from ..attention import AttentionMethod
from ..visualization.attack_figure import draw_attack
from ..visualization.attention_figure import attention_figure
from ..visualization.explainer import Explainer
from ..visualization.style import check_matplotlib
from ..visualization.style import pixels
from ._support import at_full_strength
from ._support import summary_writer


class AttentionSnapshot(keras.callbacks.Callback):
    """Draws the attention to the same few images after epochs.

    It works for any Keras classifier, `AttentionDefendedModel` included, and
    does not change the training. It draws after the first epoch and after
    every `every`-th, to `epoch_0001.png` and so on. With an attack the picture
    is that of `kad.visualization.attack_figure`, otherwise that of
    `attention_figure`. The attack uses the same random numbers each time, so
    that epochs can be compared.

    Args:
        directory: The folder of the pictures; created if it is missing.
        x: A few images `(N, height, width, channels)`.
        y: The classes that the maps explain: indices `(N,)` or one-hot. None
            takes the classes that the model predicts after the epoch.
        attack: An attack, such as `kad.attacks.PGD()`; it runs at full
            strength, independently of schedules. None draws clean images only.
        attention: The attention method, or its name. None takes that of an
            `AttentionDefendedModel`, or else `GradCAM`.
        every: Number of epochs from one picture to the next.
        tensorboard: A folder in which the pictures are logged for TensorBoard,
            which shows them under "Images"; needs tensorboardX. None writes
            files only.
        mask: The `AttentionMask` that defines the attention area. None takes
            the model's, or else the positions above the map's mean.
        class_names: Names of the classes.
        boxes: Boxes to draw on the maps; see `attention_figure`.
        value_range: `(lower, upper)` bounds of the images. None takes the
            attack's, or the model's, or else `(0, 255)` for bytes and `(0, 1)`
            for others.
        max_images: Number of images to draw, the first ones.
        seed: Integer seed of the attack.

    Raises:
        ValueError: If arguments or images do not have the expected form.
        ImportError: If matplotlib is not installed, or `tensorboard` is given
            and tensorboardX is not installed.

    Example:

    ```python
    snapshot = kad.callbacks.AttentionSnapshot(
        "snapshots", x[:2], y[:2], attack=kad.attacks.FGSM()
    )
    model.fit(x, y, callbacks=[snapshot])  # writes snapshots/epoch_0001.png
    ```
    """

    def __init__(
        self,
        directory: Path,
        x: Tensor,
        y: Tensor | None = None,
        attack: Attack | None = None,
        attention: AttentionMethod | str | None = None,
        every: int = 1,
        tensorboard: Path | None = None,
        *,
        mask: AttentionMask | None = None,
        class_names: Sequence[str] | None = None,
        boxes: Tensor | None = None,
        value_range: ValueRange | None = None,
        max_images: int = 8,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_matplotlib(type(self).__name__)
        if not isinstance(attack, (Attack, type(None))):
            raise ValueError(
                "`attack` should be an attack, such as `kad.attacks.PGD()`, "
                f"or None. Received: attack={attack!r}"
            )
        self.directory = pathlib.Path(directory)
        self.attack = attack
        self.attention = attention
        self.every = check_count("every", every)
        self.mask = mask
        self.class_names = class_names
        if value_range is None and attack is not None:
            value_range = attack.value_range
        self.value_range = value_range
        self.seed = seed
        shown = slice(check_count("max_images", max_images))
        self.images, self.labels, self.boxes = (
            None if each is None else each[shown] for each in (x, y, boxes)
        )
        self._writer = None
        if tensorboard is not None:
            self._writer = summary_writer(tensorboard)
        self._explainer = None

    def on_train_begin(self, logs: Any = None) -> None:
        self._first: int | None = None
        self._explainer = None  # Attributes may have changed in between.
        self.directory.mkdir(parents=True, exist_ok=True)
        if self.model.built:  # Errors should come before training.
            self._prepare()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self._first is None:
            self._first = epoch
        if epoch != self._first and (epoch + 1) % self.every:
            return
        figure = self._draw()
        if not is_first(self.model):
            return
        figure.savefig(self.directory / f"epoch_{epoch + 1:04d}.png")
        if self._writer is not None:
            image = pixels(figure)
            self._writer.add_image(
                "attention", image, epoch + 1, dataformats="HWC"
            )

    def on_train_end(self, logs: Any = None) -> None:
        if self._writer is not None:
            self._writer.close()  # Writes the queued pictures.

    def _prepare(self):
        """Makes an explainer of the model, once."""
        if self._explainer is None or self._explainer.model is not self.model:
            self._explainer = Explainer(
                self.model,
                self.images,
                self.labels,
                self.attention,
                self.mask,
                self.value_range,
            )

    def _draw(self):
        """Draws the figure of one epoch."""
        self._prepare()
        if self.attack is None:
            return self._draw_clean()
        # The attack may be the one that the model trains with: its strength
        # and seeds are restored afterwards.
        with at_full_strength(self.attack):
            self.attack.reseed(self.seed)
            return draw_attack(
                self._explainer, self.attack, self.class_names, self.boxes
            )

    def _draw_clean(self):
        """Draws the figure without an attack."""
        explainer = self._explainer
        explained = explainer(explainer.images, explainer.labels)
        return attention_figure(
            explainer.images,
            explained.maps,
            explainer.labels,
            explained.predictions,
            explained.confidences,
            class_names=self.class_names,
            boxes=self.boxes,
            value_range=explainer.value_range,
            max_images=len(explainer.images),
        )
