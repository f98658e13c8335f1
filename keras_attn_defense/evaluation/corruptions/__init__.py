"""The fifteen common corruptions, each at five severities.

Each is a function of images `(N, height, width, channels)` from 0 to 1, the
severity from 1 to 5, and a NumPy generator. Strengths are those of CIFAR-10-C;
lengths in pixels grow with the images, from 32 pixels on.

Reference:
    [Hendrycks and Dietterich, 2019](https://arxiv.org/abs/1903.12261).
"""

from .blur import defocus_blur
from .blur import glass_blur
from .blur import motion_blur
from .blur import zoom_blur
from .digital import contrast
from .digital import elastic_transform
from .digital import jpeg_compression
from .digital import pixelate
from .noise import gaussian_noise
from .noise import impulse_noise
from .noise import shot_noise
from .weather import brightness
from .weather import fog
from .weather import frost
from .weather import snow

SEVERITIES = (1, 2, 3, 4, 5)
#: By name, in the paper's order.
CORRUPTIONS = {
    each.__name__: each
    for each in (
        gaussian_noise,
        shot_noise,
        impulse_noise,
        defocus_blur,
        glass_blur,
        motion_blur,
        zoom_blur,
        snow,
        frost,
        fog,
        brightness,
        contrast,
        elastic_transform,
        pixelate,
        jpeg_compression,
    )
}
