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

# In each network of `networks.py` but PreActResNet-18.
EARLY = "early"
ALIGN = "grad-align"  # The weight that GradAlign has at this epsilon.
AVERAGED = "averaged "
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


def mixed(epsilon):
    """Cross-entropy on clean and attacked images: the default's, alone."""
    return {"attack": kad.attacks.PGD(epsilon, steps=7), **NONE}


def default(epsilon):
    """What `AttentionDefendedModel` does of itself, with this attack."""
    return {"attack": kad.attacks.PGD(epsilon, steps=7)}


def pairing(epsilon, weight):
    return {**fgsm(epsilon), "robust_loss": LogitPairing(weight)}


def robust(epsilon, loss, **kwargs):
    """PGD-7 that climbs what a published loss says."""
    objective = kad.models.RobustObjective(loss)
    attack = kad.attacks.PGD(epsilon, steps=7, objective=objective)
    return {**pgd(epsilon), "attack": attack, "robust_loss": loss, **kwargs}


def _robust(loss):
    return lambda epsilon, weight: robust(epsilon, loss(weight))


def awp(epsilon, gamma):
    """TRADES at weights that make it worse, from the eleventh epoch on."""
    weights = kad.models.AdversarialWeightPerturbation(gamma, start_epoch=10)
    return robust(epsilon, TRADES(beta=6.0), weight_perturbation=weights)


def aligned(attention, weight, **kwargs):
    """A preservation loss, and no other attention loss."""
    return {
        "attention": attention,
        "preservation_weight": weight,
        **kwargs,
    }


def grad_align(weight):
    gradients = kad.attention.InputGradients(
        None, score="loss", normalization="signed"
    )
    loss = PreservationLoss("cosine", stop_gradient="clean")
    return aligned(
        gradients, weight, preservation_loss=loss, preservation_pair="noise"
    )


def preservation(weight):
    """The paper's term: maps of length one, of the image and the attacked."""
    return aligned(kad.attention.GradCAM(EARLY), weight)


def rectification(place):
    """The paper's term, or the same of an area in a random place."""

    def make(weight):
        mask = kad.attention.AttentionMask(place=place)
        return {"rectification_weight": weight, "mask": mask}

    return make


def signed(score, distance, pair="noise"):
    """Signed HiResCAM maps of an early layer."""

    def make(weight):
        stop = "clean" if distance == "cosine" else None
        return aligned(
            kad.attention.HiResCAM(EARLY, "signed", score=score),
            weight,
            preservation_loss=PreservationLoss(distance, stop_gradient=stop),
            preservation_pair=pair,
        )

    return make


@keras.saving.register_keras_serializable("benchmarks")
class Logits(kad.attention.AttentionMethod):
    """Takes all logits for a map of one cell: a control of what places add."""

    def explain(self, classifier, images, labels=None, training=False):
        logits, predictions = classifier(images, training=training)
        rest = logits - ops.mean(logits, axis=-1, keepdims=True)
        return logits, rest[:, None, None, :], predictions


def noisy_logits(weight):
    """Compares the logits as they are: `signed` without a map."""
    return aligned(
        Logits("signed"),
        weight,
        preservation_loss=PreservationLoss("mean_absolute_error"),
        preservation_pair="noise",
    )


# Published recipes, each with its weight, None where it has none.
_RECIPES = {
    "fgsm": (fgsm, None),
    "fgsm-rs": (fgsm_rs, None),
    "n-fgsm": (n_fgsm, None),
    "pgd-2": (lambda epsilon: pgd(epsilon, 2), None),
    "pgd-7": (pgd, None),
    "mixed": (mixed, None),
    "default": (default, None),
    "logit pairing": (pairing, 0.5),
    "alp": (_robust(LogitPairing), 0.5),
    "trades": (_robust(TRADES), 6.0),
    "trades-awp": (awp, 5e-3),
    "mart": (_robust(MART), 5.0),
    "score": (_robust(SCORE), 4.0),
}
# Those that learn from a robust teacher.
_TAUGHT = {"ard": ARD, "rslad": RSLAD}
# What comes on top of a recipe, each with its weight.
_TERMS = {
    "grad-align": (grad_align, ALIGN),
    "preservation": (preservation, 1.0),
    "rectification": (rectification("attention"), 0.25),
    "random mask": (rectification("random"), 0.25),
    "noisy logits, l1": (noisy_logits, 1.0),
    "signed loss, cosine": (signed("loss", "cosine"), ALIGN),
    "signed loss, cosine, attacked": (
        signed("loss", "cosine", "adversarial"),
        ALIGN,
    ),
    "signed margin, cosine": (signed("margin", "cosine"), ALIGN),
    "signed margin, l1": (signed("margin", "l1"), 0.01),
    "signed random, l1": (signed("random", "l1"), 0.01),
    "teacher maps": (signed("margin", "l1", "teacher"), 0.2),
}


def arguments(recipe, epsilon, teacher="digits"):
    """Returns the arguments of the defended model.

    Args:
        recipe: `"pgd-7"`, a name of `_RECIPES` or `_TAUGHT`; `"grad-align"`, a
            name of `_TERMS`, on FGSM; or both, `"pgd-7, grad-align"`. The last
            one may have a weight, `"pgd-7, grad-align=2"`, and then say in
            which steps a term is computed, `"grad-align=2, every 4"`. For
            `"averaged "` before it, see `callbacks`.
        epsilon: Radius of the training attack.
        teacher: Name in `kad.zoo` of the robust network to learn from.
    """
    name, _, given = recipe.removeprefix(AVERAGED).partition("=")
    given, _, every = given.partition(", every ")
    base, _, term = name.partition(", ")
    if base not in _RECIPES and base not in _TAUGHT:
        base, term = "fgsm", name
    make, usual = _recipe(base, teacher)
    weight = _weight(recipe, "" if term else given, usual, epsilon)
    found = make(epsilon) if weight is None else make(epsilon, weight)
    if every and not term:
        raise ValueError(f"There is no term in it. Received: {recipe!r}")
    if term:
        make, usual = _TERMS[term]
        found |= make(_weight(recipe, given, usual, epsilon))
        found["attention_every"] = int(every or 1)
    return found


def _recipe(name, teacher):
    if name in _RECIPES:
        return _RECIPES[name]
    loss = _TAUGHT[name](kad.zoo.load(teacher))
    return lambda epsilon: robust(epsilon, loss), None


def _weight(recipe, given, usual, epsilon):
    """The weight that a recipe gives, or the usual one."""
    if given and usual is None:
        raise ValueError(f"Nothing there has a weight. Received: {recipe!r}")
    if usual is ALIGN:  # Its published code ends at 16/255.
        usual = 0.02 * 10 ** min(epsilon * 255 / 8, 2.0)
    return float(given) if given else usual


def callbacks(recipe):
    """Returns the callbacks of `fit`: averages of the weights, or none."""
    averaged = recipe.startswith(AVERAGED)
    return [kad.callbacks.WeightAveraging(0.995)] if averaged else []


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
