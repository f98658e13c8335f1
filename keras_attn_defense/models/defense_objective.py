"""From a batch of clean images to the loss and the logs of one step."""

import keras
from keras import ops

from .._backend import ensure_shape
from .._backend import unscaled
from ..classifier import as_images
from ..classifier import class_indices
from ..classifier import class_probabilities
from .augmentation import augmented
from .data_watch import harmless
from .data_watch import is_usable
from .pairs import double
from .pairs import interleave
from .pairs import split


class DefenseObjective:
    """The steps of `AttentionDefendedModel` between the data and the loss.

    Keras' own training step calls these methods in the order in which they
    are written here; the model's `call` runs between the first and the third.
    """

    def clean_batch(self, data):
        """The batch of a training step: usable, and augmented if asked for."""
        x, y, sample_weight = self._usable(data)
        if self.augmentation is None:
            return x, y, sample_weight
        images, labels = augmented(
            self.augmentation,
            x,
            y,
            self.value_range,
            self.classifier.num_classes,
        )
        if self.classifier.num_outputs == 1:
            labels = labels[:, 1:]
        return images, labels, sample_weight

    def training_batch(self, data, previous=None):
        """The interleaved batch of a training step, and its `x_adv`."""
        return self._interleaved(
            data, lambda x, labels: self.crafter.craft(x, labels, previous)
        )

    def test_batch(self, data):
        """The interleaved batch of a test step, or the batch itself."""
        data = self._usable(data)
        if self.validation_attack is None:
            return data
        return self._interleaved(data, self.crafter.craft_validation)[0]

    def _interleaved(self, data, craft):
        images, y, sample_weight = data
        adversarial = ops.stop_gradient(craft(images, y))
        inputs = {
            "images": interleave(images, adversarial),
            "labels": double(class_indices(y, self.classifier.num_classes)),
        }
        y = double(self._as_trained(y))
        return (inputs, y, double(sample_weight)), adversarial

    def _usable(self, data):
        """Images, labels and weights that cannot spoil the model."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        if y is None:
            raise ValueError(
                "An adversarial step needs labels. Received images only: pass "
                "(images, labels), or `predict` for predictions."
            )
        # A data set may not say the size of its images; the model does.
        images = as_images(x, self.value_range)
        images = ensure_shape(images, self.classifier.input_shape)
        labels = ops.convert_to_tensor(y)
        usable = is_usable(
            images, labels, self.value_range, self.classifier.num_classes
        )
        unusable = ops.cast(ops.logical_not(usable), "float32")
        self.trackers["unusable_batches"].update_state(unusable)
        images, labels = harmless(images, labels, usable, self.value_range)
        return images, labels, sample_weight

    def _as_trained(self, y):
        """Labels in the form that loss and metrics were built for."""
        if y is None or not self.one_hot_labels:
            return y
        return class_probabilities(y, self.classifier.num_classes)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        if not isinstance(y_pred, dict):
            # Of the images as they are: in validation, and when Keras builds
            # metrics and losses, for labels that nothing has changed so far.
            y = self._as_trained(y)
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        loss = self._classification_loss(y, y_pred, sample_weight, training)
        self._log("classification_loss", loss, y_pred)
        total = self.classification_weight * loss
        weights = split(sample_weight)
        strength = ops.convert_to_tensor(self.attention_strength)
        if self.rectification_weight:
            loss = self._rectification(x["images"], y_pred, weights, training)
            self._log("rectification_loss", loss, y_pred)
            total += self.rectification_weight * strength * loss
        if self.preservation_weight:
            clean, adversarial = split(y_pred["maps"])
            loss = self.preservation_loss(clean, adversarial, weights[0])
            self._log("preservation_loss", loss, y_pred)
            total += self.preservation_weight * strength * loss
        return total

    def _log(self, name, loss, y_pred):
        batch_size = ops.shape(y_pred["logits"])[0] // 2
        self.trackers[name].update_state(unscaled(loss), batch_size)

    def _classification_loss(self, y, y_pred, sample_weight, training):
        halves = zip(
            split(y),
            split(y_pred["predictions"]),
            split(sample_weight),
            strict=True,
        )
        losses = [
            super(DefenseObjective, self).compute_loss(
                None, labels, predictions, weights, training
            )
            for labels, predictions, weights in halves
        ]
        # Each of the two counted the network's own weight decay.
        decay = sum(ops.sum(ops.cast(loss, "float32")) for loss in self.losses)
        return sum(losses) - decay

    def _rectification(self, images, y_pred, weights, training):
        masked = self.mask(images, y_pred["maps"])
        # In the same mode as the whole images: between batch statistics and
        # moving averages the distance could grow without any defence being
        # learnt. The scope keeps grey images out of the averages.
        with self.classifier.untouched():
            masked = self.classifier(masked, training=training)[0]
        whole = split(y_pred["logits"])
        return sum(
            self.rectification_loss(*arguments)
            for arguments in zip(whole, split(masked), weights, strict=True)
        )

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        if not isinstance(y_pred, dict):
            y = self._as_trained(y)
            logs = super().compute_metrics(x, y, y_pred, sample_weight)
            return {k: v for k, v in logs.items() if k not in self.trackers}
        predicted = ops.argmax(split(y_pred["logits"])[1], axis=-1)
        labels = split(x["labels"])[1]
        correct = ops.cast(predicted, labels.dtype) == labels
        self.trackers["robust_accuracy"].update_state(correct)
        clean = (split(v)[0] for v in (y, y_pred["predictions"], sample_weight))
        return super().compute_metrics(x, *clean)

    def get_metrics_result(self):
        logs = super().get_metrics_result()
        hidden = ["unusable_batches"]
        if not self.rectification_weight:
            hidden.append("rectification_loss")
        if not self.preservation_weight:
            hidden.append("preservation_loss")
        return {name: v for name, v in logs.items() if name not in hidden}


def new_trackers():
    """What is measured beside the total loss, by name."""
    means = (
        "classification_loss",
        "robust_accuracy",
        "rectification_loss",
        "preservation_loss",
    )
    return {
        **{name: keras.metrics.Mean(name=name) for name in means},
        "unusable_batches": keras.metrics.Sum(name="unusable_batches"),
    }
