"""From a photo, a folder, a video or a webcam to the expression of every face in it. No torch."""
