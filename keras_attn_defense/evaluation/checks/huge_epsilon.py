"""Does anything survive an attack that may change everything?"""

_SHARE = 0.05


def huge_epsilon_is_survived(context):
    """Raised if images stand where the ball holds the mid-grey image."""
    images, _ = context.sample()
    epsilon = context.threat.huge_epsilon(images.shape[1:])
    _, fallen = context.run(context.iterative(), epsilon)
    share = float((~fallen).mean())
    sentence = (
        f"{share:.0%} of {len(fallen)} images survive epsilon={epsilon:.4g}, "
        "with which any image can become plain grey."
    )
    if share > _SHARE:
        return True, f"{sentence} The attack does not work on this model."
    return False, sentence
