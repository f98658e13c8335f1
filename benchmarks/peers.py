"""PGD as other libraries offer it, on the same Keras model.

Each function returns a function of NumPy images and labels that crafts
adversarial images, or raises `ImportError`.
"""

import keras
import numpy as np

BACKEND = keras.backend.backend()


def ours(model, settings):
    from keras_attn_defense.attacks import PGD

    attack = PGD(
        settings["epsilon"],
        settings["step_size"],
        settings["steps"],
        seed=0,
    )

    def run(x, y):
        return keras.ops.convert_to_numpy(attack(model, x, y))

    return run


def torchattacks(model, settings):
    _only("torch")
    import torchattacks

    attack = torchattacks.PGD(
        module(model),
        eps=settings["epsilon"],
        alpha=settings["step_size"],
        steps=settings["steps"],
    )
    return on_torch(lambda x, y: attack(x, y))


def cleverhans(model, settings):
    epsilon, step_size = settings["epsilon"], settings["step_size"]
    arguments = (epsilon, step_size, settings["steps"], np.inf)
    bounds = {"clip_min": 0.0, "clip_max": 1.0, "sanity_checks": False}
    if BACKEND == "tensorflow":
        import tensorflow as tf
        from cleverhans.tf2.attacks import projected_gradient_descent as pgd

        def run(x, y):
            return pgd.projected_gradient_descent(
                model,
                tf.constant(x),
                *arguments,
                y=tf.constant(y),
                **bounds,
            ).numpy()

        return run
    _only("torch")
    from cleverhans.torch.attacks import projected_gradient_descent as pgd

    wrapped = module(model)
    return on_torch(
        lambda x, y: pgd.projected_gradient_descent(
            wrapped, x, *arguments, y=y, **bounds
        )
    )


def foolbox(model, settings):
    import foolbox

    attack = foolbox.attacks.LinfPGD(
        abs_stepsize=settings["step_size"], steps=settings["steps"]
    )
    epsilon = settings["epsilon"]
    if BACKEND == "torch":
        wrapped = foolbox.PyTorchModel(module(model), bounds=(0, 1))
        return on_torch(lambda x, y: attack(wrapped, x, y, epsilons=epsilon)[1])
    if BACKEND == "jax":
        raise ImportError("compared on TensorFlow and PyTorch")
    import tensorflow as tf

    wrapped = foolbox.TensorFlowModel(model, bounds=(0, 1))

    def run(x, y):
        x, y = tf.constant(x), tf.constant(y)
        return attack(wrapped, x, y, epsilons=epsilon)[1].numpy()

    return run


def art(model, settings):
    from art.attacks.evasion import ProjectedGradientDescent

    attack = ProjectedGradientDescent(
        art_classifier(model),
        eps=settings["epsilon"],
        eps_step=settings["step_size"],
        max_iter=settings["steps"],
        num_random_init=1,
        batch_size=settings["batch_size"],
        verbose=False,
    )

    def run(x, y):
        if BACKEND == "torch":
            crafted = attack.generate(x.transpose(0, 3, 1, 2), y)
            return crafted.transpose(0, 2, 3, 1)
        return attack.generate(x, y)

    return run


def adapted_torchattacks(model, settings):
    import torchattacks

    from keras_attn_defense import adapters

    def build(module, epsilon):
        return torchattacks.PGD(
            module,
            eps=epsilon,
            alpha=settings["step_size"],
            steps=settings["steps"],
        )

    return _adapted(adapters.from_torch(build), model, settings)


def adapted_foolbox(model, settings):
    import foolbox

    from keras_attn_defense import adapters

    attack = foolbox.attacks.LinfPGD(
        abs_stepsize=settings["step_size"], steps=settings["steps"]
    )
    return _adapted(adapters.from_foolbox(attack), model, settings)


def adapted_art(model, settings):
    from art.attacks.evasion import ProjectedGradientDescent

    from keras_attn_defense import adapters

    def build(classifier, epsilon):
        return ProjectedGradientDescent(
            classifier,
            eps=epsilon,
            eps_step=settings["step_size"],
            max_iter=settings["steps"],
            num_random_init=1,
            batch_size=settings["batch_size"],
            verbose=False,
        )

    return _adapted(adapters.from_art(build), model, settings)


def _adapted(attack, model, settings):
    attack.epsilon = settings["epsilon"]
    size = settings["batch_size"]
    return lambda x, y: attack.run(model, x, y, size).images


# Each library with the wrapper that it has itself, and with our adapter.
PEERS = {
    "keras_attn_defense": ours,
    "torchattacks": torchattacks,
    "cleverhans": cleverhans,
    "foolbox": foolbox,
    "art": art,
    "torchattacks, adapted": adapted_torchattacks,
    "foolbox, adapted": adapted_foolbox,
    "art, adapted": adapted_art,
}


def channels_first(model):
    """A function of PyTorch NCHW images."""
    return lambda x: model(x.permute(0, 2, 3, 1))


def art_classifier(model):
    """ART's view of a Keras model."""
    from art.estimators import classification

    if BACKEND == "torch":
        import torch

        return classification.PyTorchClassifier(
            module(model),
            torch.nn.CrossEntropyLoss(),
            input_shape=(3, 32, 32),
            nb_classes=10,
            clip_values=(0, 1),
            device_type="cpu",
        )
    if BACKEND == "tensorflow":
        return classification.TensorFlowV2Classifier(
            model,
            nb_classes=10,
            input_shape=(32, 32, 3),
            loss_object=keras.losses.SparseCategoricalCrossentropy(
                from_logits=True
            ),
            clip_values=(0, 1),
        )
    raise ImportError("ART has no classifier for JAX models")


def _only(backend):
    if BACKEND != backend:
        raise ImportError(f"runs on {backend} only")


def module(model):
    """A PyTorch module of NCHW images."""
    import torch

    class Module(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.placed = torch.nn.Parameter(torch.zeros(1))

        def forward(self, images):
            if images.requires_grad:  # Some use `view` on its gradient.
                images.register_hook(torch.Tensor.contiguous)
            return model(images.permute(0, 2, 3, 1))

    return Module().eval()


def on_torch(attack):
    """A function of NumPy NHWC images, from one of PyTorch NCHW images."""
    import torch

    def run(x, y):
        images = torch.tensor(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))
        crafted = attack(images, torch.tensor(y).long())
        return crafted.detach().numpy().transpose(0, 2, 3, 1)

    return run
