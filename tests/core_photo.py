"""Write scikit-image's astronaut to the file named, for an environment that has no scikit-image."""

import sys

import skimage.data
from PIL import Image

Image.fromarray(skimage.data.astronaut()).save(sys.argv[1])
