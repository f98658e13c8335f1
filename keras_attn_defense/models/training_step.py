"""The steps of training and testing: from a batch to its loss and logs.

images, labels = the batch, augmented; harmless where it cannot be learned
x_adv = attack(images)  # further where attention has not moved yet
batch = images and x_adv, interleaved; x_adv alone where that is enough
predictions, logits, maps = model(batch)
loss = classification + rectification + preservation
"""

from functools import partial

import keras
from keras import ops

from .._backend import ensure_shape
from .._backend import unscaled
from .._backend import when
from ..attention.class_choice import random_weights
from ..attention.resizing import upsampled
from ..classifier import CompiledFunctions
from ..data import as_images
from ..data import class_indices
from ..data import class_probabilities
from ..data import has_columns
from ..losses import DistillationLoss
from .attention_terms import ATTENTION_TERMS
from .augmentation import augmented
from .data_watch import harmless
from .data_watch import is_usable
from .pairs import double
from .pairs import halves
from .pairs import interleave
from .pairs import split
from .reading import read


class TrainingStep:
    """The steps of `AttentionDefendedModel`, as a mixin.

    Keras' own training step calls these methods in the order in which they
    are written here; the model's `call` runs before `compute_loss`.
    """

    def clean_batch(self, data):
        """Returns a usable batch, augmented if that was asked for."""
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
        """Returns the batch of a training step, and its adversarial images.

        Args:
            data: What `clean_batch` returned.
            previous: Adversarial images of the round before, to go on from.
        """
        self.trackers["steps"].update_state(1.0)
        images, y, sample_weight = data
        labels = class_indices(y, self.classifier.num_classes)
        adversarial = self._crafted(images, y, labels, previous)
        adversarial = ops.stop_gradient(adversarial)
        if self.needs_clean:
            batch = self._interleaved(
                images, adversarial, y, labels, sample_weight
            )
        else:
            batch = self._alone(images, adversarial, y, labels, sample_weight)
        return batch, adversarial

    def test_batch(self, data):
        """Returns the interleaved batch of a test step, or the batch."""
        images, y, sample_weight = self._usable(data)
        if self.validation_attack is None:
            return images, y, sample_weight
        labels = class_indices(y, self.classifier.num_classes)
        adversarial = self._perturbed(self.validation_attack, images, y, labels)
        adversarial = ops.stop_gradient(adversarial)
        return self._interleaved(images, adversarial, y, labels, sample_weight)

    def _usable(self, data):
        """Returns images, labels and weights that cannot spoil the model."""
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

    def _crafted(self, images, y, labels, previous=None):
        """Returns the adversarial images to train on."""
        attack = self.attack

        def one_step_on(adversarial):
            return self._perturbed(
                attack, images, y, labels, start=adversarial, steps=1
            )

        if previous is None:
            adversarial = self._perturbed(attack, images, y, labels)
        else:
            adversarial = one_step_on(previous)
        if self.sample_selection is None:
            return adversarial
        return self.sample_selection(
            images,
            adversarial,
            lambda x: self.mask.area(self._explained(x, labels)),
            one_step_on,
        )

    def _perturbed(self, attack, images, y, labels, **kwargs):
        """Runs an attack; soft labels are for those that take them."""
        is_soft = has_columns(y, self.classifier.num_classes)
        targets = y if is_soft and attack.takes_soft_labels else labels
        value_range = attack.resolve_value_range(self)
        # The step itself is one draw of a random model.
        victim = self.classifier.in_one_draw()
        return attack.perturb(victim, images, targets, value_range, **kwargs)

    def _explained(self, images, labels):
        """Returns attention maps, and leaves no trace in the model."""
        with self.classifier.stateless():
            maps = self.attention.explain(self.classifier, images, labels)[1]
        return ops.stop_gradient(maps)

    def _interleaved(self, images, adversarial, y, labels, sample_weight):
        inputs = {
            "images": interleave(images, adversarial),
            "labels": double(labels),
        }
        if self.robust_loss is not None:
            targets = class_probabilities(y, self.classifier.num_classes)
            inputs["targets"] = double(targets)
        inputs |= self._further(images, adversarial)
        return inputs, double(self._as_trained(y)), double(sample_weight)

    def _alone(self, images, adversarial, y, labels, sample_weight):
        """Returns a batch of adversarial images, where no loss reads others."""
        inputs = {
            "adversarial": adversarial,
            "labels": labels,
            "targets": class_probabilities(y, self.classifier.num_classes),
        }
        inputs |= self._further(images, adversarial)
        return inputs, self._as_trained(y), sample_weight

    def _further(self, images, adversarial):
        """Returns what else losses read, by its use."""
        found = {}
        if self.compares_noise:
            found["noisy"] = interleave(images, self._noisy(images))
        if self.draws_scores:  # What is compared has them in common.
            shape = ops.shape(images)[0], self.classifier.num_classes
            seed = self.attack.seed_generator
            found["score_weights"] = random_weights(*shape, seed)
        if self.robust_loss is not None:
            neighbors = self.robust_loss.neighbors(
                images, adversarial, lambda: self._noisy(images)
            )
            if neighbors:
                found["neighbors"] = tuple(neighbors)
        return found

    def _noisy(self, images):
        """Returns random points of the attack's balls around the images."""
        attack, shape = self.attack, ops.shape(images)
        radius = attack.radius(attack.resolve_value_range(self))
        noise = attack.ball.sample(shape, radius, attack.seed_generator)
        # As published: clipped, black and white pixels had half the noise.
        return images + noise

    def _as_trained(self, y):
        """Returns labels in the form that loss and metrics were built for."""
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
        weights = halves(x, sample_weight)
        if self.robust_loss is None:
            loss = self._classification_loss(y, y_pred, sample_weight, training)
        else:
            loss = self._robust_loss(x, y_pred, weights[1], training)
        self._log("classification_loss", loss, y_pred)
        total = self.classification_weight * loss
        strength = ops.convert_to_tensor(self.attention_strength)
        for name, term in ATTENTION_TERMS.items():
            weight = getattr(self, f"{name}_weight")
            if weight:
                arguments = (self, x, y_pred, weights, training)
                loss = self._when_due(
                    name, partial(term, *arguments), y_pred, training
                )
                total += weight * strength * loss
        return total

    def _when_due(self, name, term, y_pred, training):
        """Computes a term in the steps that have it, for those that do not."""
        if self.attention_every == 1 or not training:
            loss = term()
            self._log(f"{name}_loss", loss, y_pred)
            return loss
        steps = ops.convert_to_tensor(self.trackers["steps"].total)
        is_due = ops.equal(ops.mod(steps - 1.0, self.attention_every), 0.0)
        loss = when(is_due, lambda: ops.cast(term(), "float32"))
        self._log(f"{name}_loss", loss, y_pred, ops.cast(is_due, "float32"))
        return self.attention_every * loss

    def _log(self, name, loss, y_pred, share=1.0):
        size = ops.cast(ops.shape(y_pred["logits"])[0], "float32")
        self.trackers[name].update_state(unscaled(loss), share * size)

    def _classification_loss(self, y, y_pred, sample_weight, training):
        """Adds the losses of both halves, and the network's own losses once."""
        clean, adversarial = zip(
            split(y),
            split(y_pred["predictions"]),
            split(sample_weight),
            strict=True,
        )
        # Keras adds the network's own losses, such as weight decay, to each
        # loss that it computes. They belong to the network, not to its inputs.
        first = super().compute_loss(None, *clean, training)
        second = super().compute_loss(None, *adversarial, training)
        return first + (second - self._own_loss())

    def _own_loss(self):
        """Sums the losses of the network itself, such as weight decay."""
        return sum(map(self._aggregate_additional_loss, self.losses))

    def _robust_loss(self, x, y_pred, weights, training):
        """Returns the robust loss, and the network's own losses once."""
        logits = halves(x, y_pred["logits"])
        logits += self._neighbors(x, training)
        if isinstance(self.robust_loss, DistillationLoss):
            logits += self._taught(x)
        targets = halves(x, x["targets"])[1]
        return self.robust_loss(targets, logits, weights) + self._own_loss()

    def _neighbors(self, x, training):
        """Returns the logits of further images, a tuple."""
        if "neighbors" not in x:
            return ()
        # As with masked images, the averages are those of the images alone.
        with self.classifier.stateless():
            logits = self.classifier(interleave(*x["neighbors"]), training)[0]
        count = len(x["neighbors"])
        return tuple(logits[i::count] for i in range(count))

    def _taught(self, x):
        """Returns the teacher's logits, a tuple."""
        clean, adversarial = split(x["images"])
        images = [clean]
        if self.robust_loss.teaches_all:
            images += [adversarial, *x.get("neighbors", ())]
        return tuple(map(self.robust_loss.teacher_logits, images))

    def read_pairs(self, inputs, training):
        """Returns the `predictions` of a step's images, `logits` and `maps`."""
        return read(self, inputs, training)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        if not isinstance(y_pred, dict):
            y = self._as_trained(y)
            logs = super().compute_metrics(x, y, y_pred, sample_weight)
            return {k: v for k, v in logs.items() if k not in self.trackers}
        predicted = ops.argmax(halves(x, y_pred["logits"])[1], axis=-1)
        labels = halves(x, x["labels"])[1]
        correct = ops.cast(predicted, labels.dtype) == labels
        self.trackers["robust_accuracy"].update_state(correct)
        if "adversarial" in x:  # The metrics are those of clean images.
            known = {"loss", *self.trackers}
            logs = self.get_metrics_result()
            return {name: v for name, v in logs.items() if name in known}
        clean = (split(v)[0] for v in (y, y_pred["predictions"], sample_weight))
        return super().compute_metrics(x, *clean)

    def get_metrics_result(self):
        logs = super().get_metrics_result()
        hidden = ["unusable_batches", "steps"]
        if not self.rectification_weight:
            hidden.append("rectification_loss")
        if not self.preservation_weight:
            hidden.append("preservation_loss")
        return {name: v for name, v in logs.items() if name not in hidden}


def new_trackers():
    """Makes the metrics of what is logged beside the total loss, by name."""
    means = (
        "classification_loss",
        "robust_accuracy",
        "rectification_loss",
        "preservation_loss",
    )
    sums = ("unusable_batches", "steps")
    return {
        **{name: keras.metrics.Mean(name=name) for name in means},
        **{name: keras.metrics.Sum(name=name) for name in sums},
    }


def compiled_functions():
    """Makes the cache of what users call outside of a step.

    Its functions are looked up for a model, and for a choice of classes where
    these are no tensor: `craft(images, y)` and `map(images, labels)`.
    """
    return CompiledFunctions(_functions)


def _functions(model, choice=None):
    def craft(images, y):
        labels = class_indices(y, model.classifier.num_classes)
        return model._crafted(images, y, labels)

    def map_of(images, labels):
        labels = choice if labels is None else labels
        return upsampled(model._explained(images, labels), images)

    return {"craft": craft, "map": map_of}
