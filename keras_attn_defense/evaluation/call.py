"""The call that repeats an evaluation, as text."""

from .attack_entries import settings


def repeated_call(attacks, runner, limit, shard=None):
    """Writes the call of `evaluate_robustness` that gives the same numbers.

    What is no plain value is written as it is named in the report.

    Args:
        attacks: The argument that named the attacks.
        runner: The `EvaluationRunner`.
        limit: The number of images that was asked for, or None.
        shard: `(index, count)`, or None for all images.
    """
    threat = runner.threat
    radii = [threat.label(each).replace("/", " / ") for each in threat.epsilons]
    arguments = {
        "attacks": _attacks(attacks, runner.entries),
        "epsilons": f"[{', '.join(radii)}]",
        "norm": f'"{threat.norm}"',
        "value_range": str(threat.value_range),
        "batch_size": runner.predictor.batch_size,
        "seed": runner.seed,
        **({} if limit is None else {"limit": limit}),
        **({} if shard is None else {"shard": shard, "state": "..."}),
    }
    lines = [f"    {name}={value}," for name, value in arguments.items()]
    return "\n".join(
        ["kad.evaluate_robustness(", "    model, x, y,", *lines, ")"]
    )


def _attacks(attacks, entries):
    if isinstance(attacks, str):
        return f'"{attacks}"'
    if isinstance(attacks, (list, tuple)) and all(
        isinstance(each, str) for each in attacks
    ):
        return str(list(attacks))
    calls = [f'"{each.name}": {_built(each.attack)}' for each in entries]
    return "{" + ", ".join(calls) + "}"


def _built(attack):
    config = settings(attack)
    name = config.pop("class")
    known = [f"{key}={value!r}" for key, value in config.items()]
    return f"{name}({', '.join(known)})"
