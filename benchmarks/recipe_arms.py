"""The recipes of training that `recipes.py` compares, by name."""

import keras
from keras import ops

import keras_attn_defense as kad
from keras_attn_defense.losses import ARD
from keras_attn_defense.losses import MART
from keras_attn_defense.losses import RSLAD
from keras_attn_defense.losses import SCORE
from keras_attn_defense.losses import TRADES
from keras_attn_defense.losses import AdversarialCrossentropy
from keras_attn_defense.losses import LogitPairing
from keras_attn_defense.losses import PreservationLoss

# In each network of `networks.py`.
EARLY = "early"
ALIGN = "grad-align"  # The weight that GradAlign has at this epsilon.
NONE = {"rectification_weight": 0.0, "preservation_weight": 0.0}


def fgsm(epsilon):
    """One step from the image itself: where training can collapse."""
    return {
        "attack": kad.attacks.FGSM(epsilon),
        "robust_loss": AdversarialCrossentropy(),
        **NONE,
    }


def fgsm_rs(epsilon):
    attack = kad.attacks.PGD(epsilon, 1.25 * epsilon, steps=1)
    return {**fgsm(epsilon), "attack": attack}


def n_fgsm(epsilon):
    return {**fgsm(epsilon), "attack": kad.attacks.NFGSM(epsilon)}


def pgd(epsilon, steps=7):
    return {**fgsm(epsilon), "attack": kad.attacks.PGD(epsilon, steps=steps)}


def pairing(epsilon, weight):
    return {**fgsm(epsilon), "robust_loss": LogitPairing(weight)}


def robust(epsilon, loss, **kwargs):
    """PGD-7 that climbs what a published loss says."""
    objective = kad.models.RobustObjective(loss)
    attack = kad.attacks.PGD(epsilon, steps=7, objective=objective)
    return {**pgd(epsilon), "attack": attack, "robust_loss": loss, **kwargs}


def awp(epsilon, gamma):
    """TRADES at weights that make it worse, from the eleventh epoch on."""
    weights = kad.models.AdversarialWeightPerturbation(gamma, start_epoch=10)
    return robust(epsilon, TRADES(beta=6.0), weight_perturbation=weights)


def taught(epsilon, loss):
    """Distillation from the robust network for digits that the zoo has."""
    return robust(epsilon, loss(kad.zoo.load("digits")))


def aligned(epsilon, attention, weight, **kwargs):
    """FGSM and a preservation loss."""
    return {
        **fgsm(epsilon),
        "attention": attention,
        "preservation_weight": weight,
        **kwargs,
    }


def grad_align(epsilon, weight):
    gradients = kad.attention.InputGradients(
        None, score="loss", normalization="signed"
    )
    loss = PreservationLoss("cosine", stop_gradient="clean")
    return aligned(
        epsilon,
        gradients,
        weight,
        preservation_loss=loss,
        preservation_pair="noise",
    )


def preservation(epsilon, layer, weight):
    """The paper's term: maps of length one, of the image and the attacked."""
    return aligned(epsilon, kad.attention.GradCAM(layer), weight)


def signed(epsilon, layer, weight, score, distance, pair="noise"):
    """Signed HiResCAM maps of a layer."""
    maps = kad.attention.HiResCAM(layer, "signed", score=score)
    stop = "clean" if distance == "cosine" else None
    return aligned(
        epsilon,
        maps,
        weight,
        preservation_loss=PreservationLoss(distance, stop_gradient=stop),
        preservation_pair=pair,
    )


@keras.saving.register_keras_serializable("benchmarks")
class Logits(kad.attention.AttentionMethod):
    """Takes all logits for a map of one cell: a control of what places add."""

    def explain(self, classifier, images, labels=None, training=False):
        logits, predictions = classifier(images, training=training)
        rest = logits - ops.mean(logits, axis=-1, keepdims=True)
        return logits, rest[:, None, None, :], predictions


def noisy_logits(epsilon, weight):
    """Compares the logits as they are: `signed` without a map."""
    return aligned(
        epsilon,
        Logits("signed"),
        weight,
        preservation_loss=PreservationLoss("mean_absolute_error"),
        preservation_pair="noise",
    )


def arguments(recipe, epsilon):
    """Returns the arguments of the defended model.

    Args:
        recipe: A name of `_ARMS`, or `"name=weight"`.
        epsilon: Radius of the training attack.
    """
    name, _, given = recipe.partition("=")
    make, weight = _ARMS[name]
    if given and weight is None:
        raise ValueError(f"{name} has no weight. Received: {recipe!r}")
    if given:
        weight = float(given)
    if weight is None:
        return make(epsilon)
    if weight is ALIGN:  # Its published code ends at 16/255.
        weight = 0.02 * 10 ** min(epsilon * 255 / 8, 2.0)
    return make(epsilon, weight)


def _signed(*kind):
    return lambda epsilon, weight: signed(epsilon, EARLY, weight, *kind)


def _on_top_of(recipe, term):
    def make(epsilon, weight):
        its = recipe(epsilon)
        both = {name: its[name] for name in ("attack", "robust_loss")}
        return {**term(epsilon, weight), **both}

    return make


def _robust(loss):
    return lambda epsilon, weight: robust(epsilon, loss(weight))


def _trades(epsilon):
    return robust(epsilon, TRADES(beta=6.0))


def _rslad(epsilon):
    return taught(epsilon, RSLAD)


_bound = _signed("random", "l1")


# Each with its weight, None where it has none.
_ARMS = {
    "fgsm": (fgsm, None),
    "fgsm-rs": (fgsm_rs, None),
    "n-fgsm": (n_fgsm, None),
    "pgd-2": (lambda epsilon: pgd(epsilon, 2), None),
    "pgd-7": (pgd, None),
    "logit pairing": (pairing, 0.5),
    "alp": (_robust(LogitPairing), 0.5),
    "trades": (_robust(TRADES), 6.0),
    "trades-awp": (awp, 5e-3),
    "mart": (_robust(MART), 5.0),
    "score": (_robust(SCORE), 4.0),
    "ard": (lambda epsilon: taught(epsilon, ARD), None),
    "rslad": (_rslad, None),
    "rslad, teacher maps": (
        _on_top_of(_rslad, _signed("margin", "l1", "teacher")),
        0.2,
    ),
    "noisy logits, l1": (noisy_logits, 1.0),
    "grad-align": (grad_align, ALIGN),
    "preservation": (
        lambda epsilon, weight: preservation(epsilon, EARLY, weight),
        1.0,
    ),
    "signed loss, cosine": (_signed("loss", "cosine"), ALIGN),
    "signed loss, cosine, attacked": (
        _signed("loss", "cosine", "adversarial"),
        ALIGN,
    ),
    "signed margin, cosine": (_signed("margin", "cosine"), ALIGN),
    "signed margin, l1": (_signed("margin", "l1"), 0.01),
    "signed random, l1": (_bound, 0.01),
    "n-fgsm, signed random, l1": (_on_top_of(n_fgsm, _bound), 0.01),
    "pgd-7, signed random, l1": (_on_top_of(pgd, _bound), 0.01),
    "pgd-7, noisy logits, l1": (_on_top_of(pgd, noisy_logits), 1.0),
    "trades, signed random, l1": (_on_top_of(_trades, _bound), 0.01),
    "trades, noisy logits, l1": (_on_top_of(_trades, noisy_logits), 1.0),
}


@keras.saving.register_keras_serializable("benchmarks")
class Triangle(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that rises to its peak midway, and falls to zero."""

    def __init__(self, peak, steps):
        self.peak, self.steps = peak, steps

    def __call__(self, step):
        part = keras.ops.cast(step, "float32") / self.steps
        return self.peak * (1.0 - keras.ops.abs(2.0 * part - 1.0))

    def get_config(self):
        return {"peak": self.peak, "steps": self.steps}
