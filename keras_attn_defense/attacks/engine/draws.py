"""Means over the random passes that a model asks attacks to take."""

from keras import ops

from ..._backend import total

_TINY = 1e-30


def over_draws(victim, sample):
    """Values, gradient and logits of an objective, over a victim's draws.

    Args:
        victim: A classifier view.
        sample: Function of a view that returns values `(batch,)`, a gradient
            of the shape of the images, and logits `(batch, classes)`.
    """
    if victim.draws == 1:
        return sample(victim)
    return mean_over_draws(victim, sample, victim.draws)


def mean_over_draws(victim, sample, draws):
    """Averages what `over_draws` does over a given number of draws."""

    def of_draw(number):
        view = victim.in_one_draw().with_draw(number)
        values, gradient, logits = sample(view)
        return values, gradient, ops.softmax(logits, axis=-1)

    # Sums instead of a batch of all draws: memory does not grow with them.
    values, gradient, probabilities = (
        each / draws for each in total(draws, of_draw)
    )
    return values, gradient, _log(probabilities)


def expected_logits(victim, x):
    """Logits that success is judged by: of a random model, those of its mean.

    Args:
        victim: A classifier view.
        x: Images `(batch, height, width, channels)`.
    """
    if victim.draws == 1:
        return victim.frozen_logits(x)

    def of_draw(number):
        view = victim.in_one_draw().with_draw(number)
        return (ops.softmax(view.frozen_logits(x), axis=-1),)

    (probabilities,) = total(victim.draws, of_draw)
    return _log(probabilities / victim.draws)


def _log(probabilities):
    # Success is judged by logits, and what draws have in common is the mean
    # of their probabilities.
    return ops.log(ops.maximum(probabilities, _TINY))
