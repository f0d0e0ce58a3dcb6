"""From a photo, a folder, a video or a webcam to the expression of every face in it. No torch."""

import os

# OpenCV reads these when it is loaded, so they are set before anything imports it. What goes wrong is raised, so it
# needn't be printed.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")

# With these transforms Windows may take a minute to open a camera.
os.environ.setdefault("OPENCV_VIDEOIO_MSMF_ENABLE_HW_TRANSFORMS", "0")
