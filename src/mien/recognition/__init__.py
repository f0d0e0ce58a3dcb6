"""From a photo, a folder, a video or a webcam to the expression of every face in it. No torch."""

import os

# What goes wrong is told as errors, not on stderr. Read as OpenCV is loaded, so it stands before all that load it.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")

# Windows looks for help from the graphics chip first, and may take a minute to open a camera.
os.environ.setdefault("OPENCV_VIDEOIO_MSMF_ENABLE_HW_TRANSFORMS", "0")
