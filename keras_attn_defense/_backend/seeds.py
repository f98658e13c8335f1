"""How far apart the seeds of devices are that train a model together."""

# Close seeds would meet: PyTorch's random numbers follow from the sum of a seed
# and the number of draws. This is the 32 bits' golden section.
SEEDS_APART = 0x61C88647


def states_of_seeds(variables):
    """The variables that are states of a `keras.random.SeedGenerator`."""
    return [v for v in variables if v.path.endswith("seed_generator_state")]
