"""The weights of success against size in Carlini and Wagner's attack.

In each round an image is moved to lower `constant * gap + penalty`. These
classes say what the penalty is, and what changes from round to round.
"""

from keras import ops


class SquaredLength:
    """For the l2 norm: the squared length, the constant found by bisection.

    The constant grows tenfold until a round succeeds, then halves the interval
    between failure and success.

    Args:
        initial_const: The first constant.
        rounds: Number of rounds.
    """

    #: Whether a round ends with its first success, and the next one goes on
    #: from there.
    ends_with_success = False

    def __init__(self, initial_const, rounds):
        self.initial_const = initial_const
        self.rounds = rounds

    def begin(self, labels):
        """The state of the search for each of `labels`."""
        zeros = ops.zeros_like(labels, dtype="float32")
        return {
            "constant": zeros + self.initial_const,
            "lower": zeros,
            "upper": zeros + float("inf"),
            "round": ops.zeros_like(labels),
        }

    def __call__(self, change, search):
        """The penalty `(batch,)` of a change of the images, and its slope."""
        return ops.sum(ops.square(change), axis=(1, 2, 3)), 2.0 * change

    def pace(self, search):
        """Returns the factor of the learning rate."""
        return 1.0

    def is_met(self, penalty, search):
        """Tells whether an adversarial image of this penalty is a success."""
        return ops.ones_like(penalty, dtype="bool")

    def next(self, search, succeeded, size):
        """The state of the search after a round.

        Args:
            search: The state before.
            succeeded: Whether the round did, `(batch,)`.
            size: Norm of the change at the end of the round, `(batch,)`.
        """
        constant = search["constant"]
        upper = ops.where(succeeded, constant, search["upper"])
        lower = ops.where(succeeded, search["lower"], constant)
        middle = (lower + upper) / 2.0
        # Without a success there is no upper end yet, and `middle` is infinite.
        return {
            "constant": ops.where(ops.isinf(upper), 10.0 * constant, middle),
            "lower": lower,
            "upper": upper,
            "round": search["round"] + 1,
        }

    def is_over(self, search):
        """Tells whether there is no further round, `(batch,)`."""
        return search["round"] >= self.rounds


class ExcessOverBound:
    """For the linf norm: how far each value goes beyond a shrinking bound.

    The maximum itself would move one value at a time. A round that succeeds
    within the bound lowers the bound; one that fails raises the constant,
    up to a largest one. Where that fails too, the bound is lowered by less,
    until that is next to nothing: the authors end at the first, up to a tenth
    farther than they could.

    Args:
        initial_const: The first constant.
    """

    ends_with_success = True
    # As in the authors' code. The last is a share of the constant.
    shrinkage = 0.9
    largest_const = 20.0
    least_shrinkage = 0.99
    largest_penalty = 1e-4

    def __init__(self, initial_const):
        self.initial_const = initial_const

    def begin(self, labels):
        zeros = ops.zeros_like(labels, dtype="float32")
        return {
            "constant": zeros + self.initial_const,
            "bound": zeros + 1.0,
            "shrinkage": zeros + self.shrinkage,
        }

    def __call__(self, change, search):
        bound = search["bound"][:, None, None, None]
        excess = ops.relu(ops.abs(change) - bound)
        slope = ops.where(excess > 0, ops.sign(change), 0.0)
        return ops.sum(excess, axis=(1, 2, 3)), slope

    def pace(self, search):
        # Adam's steps are about as long as the learning rate, whatever the
        # gradient: long ones would jump back and forth over a small bound.
        return search["bound"][:, None, None, None]

    def is_met(self, penalty, search):
        return penalty <= self.largest_penalty * search["constant"]

    def next(self, search, succeeded, size):
        bound, shrinkage = search["bound"], search["shrinkage"]
        # The success may be well inside its bound: go on from its own size.
        lower = shrinkage * ops.minimum(bound, size)
        constant = search["constant"]
        given_up = ~succeeded & (10.0 * constant > self.largest_const)
        finer = ops.where(given_up, ops.sqrt(shrinkage), shrinkage)
        # Less far down from the bound of the last success.
        bound = bound * finer / shrinkage
        same = succeeded | given_up
        return {
            "constant": ops.where(same, constant, 10.0 * constant),
            "bound": ops.where(succeeded, lower, bound),
            "shrinkage": finer,
        }

    def is_over(self, search):
        # Above 1 there was no success at all.
        fine = search["shrinkage"] > self.least_shrinkage
        return fine | (search["bound"] > 1.0)
