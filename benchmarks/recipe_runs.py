"""Trains the recipes that `recipes.py` compares."""

import hashlib
import json
import time

import keras
import networks
import recipe_arms
import recipe_data
import recipe_measures
import recipe_results

import keras_attn_defense as kad


class OutOfTime(Exception):
    """The minutes of a call are over."""


class Runs:
    """Trains recipes on the same images from the same weights.

    Args:
        options: Those of the command line.
    """

    def __init__(self, options):
        self.options = options
        self.train, self.test = recipe_data.load(options.data, options.images)
        self.deadline = time.monotonic() + 60 * options.minutes
        options.state.mkdir(parents=True, exist_ok=True)

    def run(self, recipe, seed, others=()):
        """Returns how a recipe trained, and what it withstands.

        Args:
            recipe: See `recipe_arms.arguments`.
            seed: Seed of weights, order and noise.
            others: What other recipes returned, with any seed.

        Raises:
            OutOfTime: Another call goes on from here.
        """
        trunk, first, begun = None, 0, {}
        if self.options.fork:
            begin, first = self.options.fork
            trunk, _ = self.trained("trunk", begin, seed, (0, first))
            begun = {"trunk": fingerprint(trunk)}
            check_trunk(begun["trunk"], seed, others)
        between = first, self.options.epochs
        model, epochs = self.trained(recipe, recipe, seed, between, trunk)
        measured = recipe_measures.measure(model, self.test, self.options)
        cpu = sum(epoch["cpu_s"] for epoch in epochs)
        row = {"recipe": recipe, "seed": seed, **measured, "cpu_s": cpu}
        row |= begun
        return {**row, "epochs": epochs}

    def trained(self, name, recipe, seed, between, trunk=None):
        """Returns a trained model and its epochs, maybe of earlier calls.

        Args:
            name: What its files are called.
            recipe: See `recipe_arms.arguments`.
            seed: Seed of weights, order and noise.
            between: The number of epochs before it, and at its end.
            trunk: The model with which it begins, None for fresh weights.
        """
        options, (first, last) = self.options, between
        stem = f"{options.out}_{name}_{seed}"
        stem = stem.replace(" ", "_").replace(",", "")
        log = options.state / f"{stem}.json"
        history = recipe_results.results_of(log, options)

        def saved(epochs):
            return options.state / f"{stem}_{epochs}.keras"

        keras.utils.set_random_seed(seed)
        if history:
            model = keras.saving.load_model(saved(first + len(history)))
        else:
            model = self.build(recipe, seed)
            if trunk is not None:
                go_on_from(trunk, model, seed)
        while (done := first + len(history)) < last:
            if time.monotonic() > self.deadline:
                raise OutOfTime
            # Up to the next epoch that is watched. In one call of `fit`, for
            # callbacks that carry something from epoch to epoch.
            goal = min((done // options.watch + 1) * options.watch, last)
            history += self.fit(model, recipe, seed, done, goal)
            text = "  ".join(
                f"{k} {history[-1][k]:.3f}" for k in ("clean", "fgsm", "pgd_10")
            )
            print(f"{name}, seed {seed}, epoch {goal}:  {text}", flush=True)
            # A kill between these lines repeats the epochs, no more.
            model.save(saved(goal))
            settings = recipe_results.settings_of(options)
            log.write_text(
                json.dumps({"settings": settings, "results": history})
            )
            saved(done).unlink(missing_ok=True)
        return model, history

    def build(self, recipe, seed):
        """Returns a compiled defended model."""
        options, (x, y) = self.options, self.train
        base = networks.NETWORKS[options.network](
            seed=seed,
            classes=int(y.max()) + 1,
            size=x.shape[1],
            channels=x.shape[-1],
        )
        arguments = recipe_arms.arguments(
            recipe, options.epsilon / 255, options.teacher
        )
        model = kad.AttentionDefendedModel(
            base, validation_attack=None, **arguments
        )
        steps = options.epochs * -(-len(x) // options.batch)
        schedule = recipe_arms.Triangle(options.rate, steps)
        optimizer = keras.optimizers.Adam(schedule)
        if options.sgd:
            optimizer = keras.optimizers.SGD(
                schedule, momentum=0.9, weight_decay=5e-4
            )
        model.compile(
            optimizer,
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        return model

    def fit(self, model, recipe, seed, done, goal):
        """Trains from one epoch up to another; returns what each logged."""
        options = self.options
        images = recipe_data.Epochs(
            self.train, options.batch, seed, recipe_data.mirrors(options.data)
        )
        start = time.process_time()
        logs = model.fit(
            images,
            initial_epoch=done,
            epochs=goal,
            shuffle=False,
            callbacks=[
                images.callback,
                kad.callbacks.DefenseSchedule(options.warm_up, options.ramp),
                *recipe_arms.callbacks(recipe),
            ],
            verbose=0,
        ).history
        seconds = (time.process_time() - start) / (goal - done)
        epochs = [
            {"cpu_s": seconds, **{k: float(v[i]) for k, v in logs.items()}}
            for i in range(goal - done)
        ]
        epsilon = options.epsilon / 255
        epochs[-1] |= recipe_measures.watch(model, self.test, epsilon)
        return epochs


def fingerprint(model):
    """Returns a short digest of the weights."""
    digest = hashlib.sha256()
    for weight in model.base.get_weights():
        digest.update(weight.tobytes())
    return digest.hexdigest()[:16]


def check_trunk(trunk, seed, others):
    """Raises if other recipes with this seed began with other weights.

    Sums of floats depend on the order in which threads add, so that a trunk
    that was lost does not come back the same.
    """
    known = {row.get("trunk", trunk) for row in others if row["seed"] == seed}
    if known - {trunk}:
        raise ValueError(
            f"Seed {seed} has results that began with other weights than those "
            "in --state. Give the folder they began with, or another seed or "
            "--out."
        )


def go_on_from(trunk, model, seed):
    """Gives a model the weights and the optimizer's state of another one.

    The attack's noise starts anew from the seed, the same for all recipes.
    """
    model.base.set_weights(trunk.base.get_weights())
    state = {}
    trunk.optimizer.save_own_variables(state)
    model.optimizer.build(model.trainable_variables)
    model.optimizer.load_own_variables(state)
    model.attack.reseed(seed)
