"""Which adversarial images a step works on."""

from keras import ops

from ..attention.resizing import upsampled
from ..classifier import CompiledFunctions
from ..classifier import as_images
from ..classifier import check_images
from ..classifier import check_labels
from ..classifier import class_indices
from ..classifier import has_columns


class Crafter:
    """Crafts adversarial images of a defended model's training and tests.

    Args:
        model: The `AttentionDefendedModel`.
    """

    def __init__(self, model):
        self.model = model
        self._code = CompiledFunctions(_functions)

    def __call__(self, x, y):
        """Checks a batch that is at hand, and crafts as in training."""
        model = self.model
        model.refresh()
        check_images(x, model.value_range)
        check_labels(y, model.classifier.num_classes, len(x))
        labels = ops.convert_to_tensor(y)
        craft = self._code(model)["craft"]
        return craft(as_images(x, model.value_range), labels)

    def map(self, images, labels):
        """Attention maps at the size of images that are at hand."""
        if isinstance(labels, str):
            return self._code(self.model, labels)["map"](images, None)
        return self._code(self.model)["map"](images, labels)

    def craft(self, images, labels, previous=None):
        """Adversarial images of a training step.

        Args:
            images: Float32 tensor `(batch, height, width, channels)`.
            labels: Class indices, one-hot or soft labels.
            previous: Adversarial images of the round before, to go on from.
        """
        model, attack = self.model, self.model.training_attack

        def perturb(**kwargs):
            return self._perturb(attack, images, labels, **kwargs)

        def step(adversarial):
            return perturb(start=adversarial, steps=1)

        adversarial = perturb() if previous is None else step(previous)
        if model.sample_selection is None:
            return adversarial
        classes = class_indices(labels, model.classifier.num_classes)
        return model.sample_selection(
            images, adversarial, lambda x: self._area(x, classes), step
        )

    def craft_validation(self, images, labels):
        """Adversarial images of a test step."""
        return self._perturb(self.model.validation_attack, images, labels)

    def _perturb(self, attack, images, labels, **kwargs):
        victim = self.model.classifier
        is_soft = has_columns(labels, victim.num_classes)
        if not (is_soft and attack.takes_soft_labels):
            labels = class_indices(labels, victim.num_classes)
        value_range = attack.resolve_value_range(self.model)
        return attack.perturb(victim, images, labels, value_range, **kwargs)

    def _area(self, images, labels):
        return self.model.mask.area(self.explained(images, labels))

    def explained(self, images, labels):
        """Attention maps, as the method gives them."""
        classifier = self.model.classifier
        with classifier.untouched():
            maps = self.model.attention.explain(classifier, images, labels)[1]
        return ops.stop_gradient(maps)


def _functions(model, choice=None):
    crafter = model.crafter

    def map_of(images, labels):
        labels = choice if labels is None else labels
        return upsampled(crafter.explained(images, labels), images)

    return {"craft": crafter.craft, "map": map_of}
