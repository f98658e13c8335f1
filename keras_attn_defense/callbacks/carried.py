"""A mark on values that were not measured anew."""


class Carried(float):
    """A value of an earlier epoch, for callbacks that need one in each."""
