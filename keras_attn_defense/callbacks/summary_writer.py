"""Writing of TensorBoard events without TensorFlow."""


def summary_writer(folder):
    """Returns a writer of events in a folder, from tensorboardX.

    Args:
        folder: The folder.

    Raises:
        ImportError: If tensorboardX is not installed.
    """
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        raise ImportError(
            "`tensorboard` needs tensorboardX, which is not installed. Install "
            "it with `pip install tensorboardX` or `pip install "
            "keras-attn-defense[viz]`, or leave it out: `tensorboard=None`."
        ) from None
    return SummaryWriter(str(folder))
