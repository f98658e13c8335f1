"""Models and images as attack libraries for PyTorch take them."""

import numpy as np


def channels_first_module(model):
    """A PyTorch module of NCHW images that runs a Keras model."""
    import torch

    class Module(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.device_of_parameters = torch.nn.Parameter(torch.zeros(1))

        def forward(self, images):
            if images.requires_grad:  # They use `view` on its gradient.
                images.register_hook(torch.Tensor.contiguous)
            return model(images.permute(0, 2, 3, 1))

    return Module().eval()


def as_torch(x, y):
    """NHWC images and labels in NumPy as NCHW and long tensors."""
    import torch

    images = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    return torch.tensor(images), torch.tensor(y).long()
