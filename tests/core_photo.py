"""Write scikit-image's astronaut to the file named, for an environment that has no scikit-image (`make core-check`)."""

import sys

if __name__ == "__main__":
    import skimage.data
    from PIL import Image

    Image.fromarray(skimage.data.astronaut()).save(sys.argv[1])
