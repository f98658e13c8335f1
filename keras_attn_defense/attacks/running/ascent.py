"""The steps of a gradient attack on one batch."""

from .task import Task


class Ascent:
    """A `GradientAttack` at work on one batch.

    Args:
        attack: The `GradientAttack`.
        victim: A classifier view.
        images: Clean images `(batch, height, width, channels)`.
        labels: As in `Task`.
        value_range: `(lower, upper)` bounds of the images.
        lengths: `(epsilon, step_size)`, scalar tensors.
    """

    def __init__(self, attack, victim, images, labels, value_range, lengths):
        labels, sign = attack.target(victim, images, labels)
        epsilon, self.step_size = lengths
        self.attack = attack
        self.task = Task(victim, images, labels, epsilon, value_range, sign)

    def begin(self, number, start=None):
        """What a run compares with, and its state before the first step.

        Args:
            number: Number of the run.
            start: Images to start from instead of the attack's own start.
        """
        attack, task = self.attack, self.task._replace(run=number)
        reference = attack.reference(task)
        if start is None:
            start = attack.start(task.images, task.epsilon)
            start = self._project(start, reference)
        return reference, (start, attack.memory(task.images))

    def step(self, reference, i, state):
        """The state after step `i`: images, and what `direction` carries."""
        attack, task, (x, memory) = self.attack, self.task, state
        drawn = task._replace(victim=task.victim.drawn(i))
        gradient = task.sign * attack.gradient(drawn, x, reference, i)
        ball = attack.perturbation_set(reference)
        gradient = ball.followed(gradient, x, task.value_range)
        direction, memory = attack.direction(gradient, memory)
        return self._project(x + self.step_size * direction, reference), memory

    def _project(self, x, reference):
        task, ball = self.task, self.attack.perturbation_set(reference)
        return ball.projection(task.images, task.epsilon, task.value_range)(x)
