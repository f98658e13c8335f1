"""The recipes of training that `recipes.py` compares, by name."""

import keras

import keras_attn_defense as kad
from keras_attn_defense.losses import AdversarialCrossentropy
from keras_attn_defense.losses import LogitPairing
from keras_attn_defense.losses import PreservationLoss

# In each network of `networks.py`.
EARLY = "early"
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


def arms(epsilon):
    """Returns `{name: function that makes arguments of the defended model}`.

    Args:
        epsilon: Radius of the training attack.
    """
    # GradAlign's weight by epsilon, from its published code, which ends there.
    align = 0.02 * 10 ** min(epsilon * 255 / 8, 2.0)
    return {
        "fgsm": lambda: fgsm(epsilon),
        "fgsm-rs": lambda: fgsm_rs(epsilon),
        "n-fgsm": lambda: n_fgsm(epsilon),
        "pgd-2": lambda: pgd(epsilon, 2),
        "pgd-7": lambda: pgd(epsilon),
        "logit pairing": lambda: pairing(epsilon, 0.5),
        "grad-align": lambda: grad_align(epsilon, align),
        "preservation": lambda: preservation(epsilon, EARLY, 1.0),
        "signed loss, cosine": lambda: signed(
            epsilon, EARLY, align, "loss", "cosine"
        ),
        "signed loss, cosine, attacked": lambda: signed(
            epsilon, EARLY, align, "loss", "cosine", "adversarial"
        ),
        "signed margin, cosine": lambda: signed(
            epsilon, EARLY, align, "margin", "cosine"
        ),
        "signed margin, l1": lambda: signed(
            epsilon, EARLY, 0.01, "margin", "l1"
        ),
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
