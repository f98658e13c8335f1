"""Identity of an evaluation: what has to be equal for equal numbers."""

import hashlib
import os
import platform
import sys

import keras
import numpy as np

from .._backend import accelerators
from ..attacks import BPDA
from ..attacks import FGSM
from ..classifier import Classifier
from ..classifier import EnsembleClassifier
from ..classifier.predictor import Predictor
from ..models import AttentionDefendedModel
from ..version import __version__
from .attack_entries import settings
from .content import Content

# Images whose outputs tell one function from another.
_PROBES = 8


def fingerprint(
    victim, block, entries, threat, identity=None, certain=False, **arguments
):
    """Describes an evaluation, as a dict of plain values.

    Models and attacks count by their content. What hides its content, an
    attack of another library, counts by its results on some images too.

    Args:
        victim: The view of the model.
        block: The first images and their class indices, in NumPy.
        entries: The list of `AttackEntry`.
        threat: The `ThreatModel`.
        identity: What the user calls the model and the attacks, in place of
            results. None asks for none.
        certain: Whether to raise if results differ from call to call.
        **arguments: Other arguments that change the numbers.
    """

    def probe():
        return _Probe(victim, block, threat, identity, arguments["batch_size"])

    first = probe()
    found = _contents(first, entries)
    if certain and first.asked:  # What is read of code and weights is fixed.
        _check_same(found, _contents(probe(), entries))
    return {
        **found,
        "identity": identity,
        "threat_model": threat._asdict(),
        "versions": versions(),
        **arguments,
    }


def contents(victim, entries):
    """Digests what can be read of a model and attacks, without results.

    Args:
        victim: The view of the model.
        entries: The list of `AttackEntry`.
    """
    return _contents(_Probe(victim, ((), ()), None, "none", 1), entries)


def _contents(probe, entries):
    return {
        "model_checksum": probe.of_model(),
        "attacks": {
            each.name: {
                **_readable(settings(each.attack)),
                "content": probe.of_attack(each.name, each.attack),
            }
            for each in entries
        },
    }


def _check_same(found, again):
    """Raises if what an evaluation is known by changes by itself."""
    random = [] if _same_model(found, again) else ["the model"]
    random += [
        f"the attack '{name}'"
        for name, attack in found["attacks"].items()
        if attack != again["attacks"][name]
    ]
    if random:
        raise ValueError(
            "With `state`, an evaluation goes on only with the same model and "
            f"attacks, but {' and '.join(random)} cannot be recognized: it is "
            "known by its results alone, and they differ from one call to the "
            "next. Name what you evaluate, such as identity='my-model-v3', "
            "and change the name whenever you change the model or an attack."
        )


def _readable(config):
    """The plain settings, which say in an error what differs."""
    plain = (bool, int, float, str, type(None), tuple)
    return {k: v for k, v in config.items() if isinstance(v, plain)}


def _same_model(one, other):
    return one["model_checksum"] == other["model_checksum"]


def describe(victim, name, dataset, attacks, seed, records, identity):
    """Says what a report is about: model, data and machine.

    Args:
        victim: The classifier.
        name: The name of the model, or None for its own.
        dataset: The name of the data, or None.
        attacks: The argument that named the attacks.
        seed: The seed.
        records: The finished `Records`.
        identity: The fingerprint.
    """
    own_name = model_name(victim.model)
    return {
        "name": own_name if name is None else name,
        "architecture": own_name,
        "dataset": dataset,
        "standard": isinstance(attacks, str) and attacks == "autoattack",
        "evidence": {
            "seed": seed,
            "backend": keras.backend.backend(),
            "versions": identity["versions"],
            "hardware": {
                "machine": platform.machine(),
                "cpus": os.cpu_count(),
                "accelerators": accelerators(),
            },
            "model_checksum": identity["model_checksum"],
            "data_checksum": data_checksum(records.checksums),
        },
    }


def data_checksum(*arrays):
    """Digests arrays to a whole number of 63 bits."""
    digest = hashlib.blake2b(digest_size=8)
    for array in arrays:
        array = np.ascontiguousarray(array)
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    # JSON readers and NumPy's int64 hold it.
    return int.from_bytes(digest.digest(), "big") >> 1


def versions():
    """Lists the versions that numbers may depend on."""
    backend = keras.backend.backend()
    return {
        "keras_attn_defense": __version__,
        "python": platform.python_version(),
        "keras": keras.__version__,
        backend: sys.modules[backend].__version__,
        "numpy": np.__version__,
    }


def model_name(model):
    """Returns the name of a model, of a defended one that of its base.

    Args:
        model: A Keras model or a function.
    """
    if isinstance(model, AttentionDefendedModel):
        model = model.base
    if isinstance(model, keras.Model):
        return model.name
    return getattr(model, "__name__", type(model).__name__)


def _parts(victim):
    """Collects what the predictions of a view follow from."""
    if isinstance(victim, EnsembleClassifier):
        return [_parts(member) for member in victim.members]
    model = victim.model
    if isinstance(model, AttentionDefendedModel):
        model = model.base
    if isinstance(victim, BPDA):
        return [model, victim.preprocessing, victim.approximation]
    return model


class _Probe:
    """Content of models and attacks, and results where it is hidden.

    Args:
        victim: The view of the model.
        block: Images and class indices, in NumPy.
        threat: The `ThreatModel`.
        identity: A name that stands for results, or None.
        batch_size: Images in one call of the model.
    """

    def __init__(self, victim, block, threat, identity, batch_size):
        images, labels = (array[:_PROBES] for array in block)
        # Its own: compiled code would repeat the results of the last probe.
        self._predictor = Predictor(victim, batch_size)
        self._images, self._labels = images, labels
        self._threat = threat
        self._identity = identity
        #: Whether results were asked for.
        self.asked = False

    def of_model(self):
        """A digest of the model."""
        victim = self._predictor.victim
        content = Content()
        content.add(_parts(victim), "model")
        # A function may read anything. Two with equal code are told apart by
        # what they return.
        is_function = not isinstance(victim, (Classifier, EnsembleClassifier))
        if (is_function or content.unknown) and self._identity is None:
            self.asked = True
            for images in self._batches():
                content.add(self._predictor.logits(images), "outputs")
        return content.hexdigest()

    def of_attack(self, name, attack):
        """A digest of an attack."""
        content = Content()
        content.add(attack, name)
        if content.unknown and self._identity is None:
            self.asked = True
            content.add(self._attacked(attack), "images")
        return content.hexdigest()

    def _batches(self):
        """The images as they are, and changed as attacks change them."""
        lower, upper = self._threat.value_range
        generator = np.random.default_rng(0)
        for radius in (0.0, self._threat.epsilons[-1], self._threat.width / 4):
            sign = generator.choice([-1.0, 1.0], self._images.shape)
            size = self._threat.distances(sign, np.zeros_like(sign))
            change = radius * sign / size[:, None, None, None]
            yield np.clip(self._images + change, lower, upper).astype("float32")
        try:
            yield self._attacked(FGSM(norm=self._threat.norm))
        except ValueError:
            return  # Without a gradient there are none.

    def _attacked(self, attack):
        radius = None if attack.minimal else self._threat.epsilons[-1]
        attack = attack.with_epsilon(radius)
        attack.value_range = self._threat.value_range
        attack.reseed(0)
        victim, size = self._predictor.victim, self._predictor.batch_size
        return attack.run(victim, self._images, self._labels, size).images
