"""The networks. Every one takes pixels 0..255, `(B, C, H, W)`, uint8 or float, and gives logits `(B, K)`."""

from mien.models import logistic, feedforward, cnn, resnet, flagship, backbone  # noqa: F401, I001 - registers, in the order of the ladder
from mien.models.registry import create_model, list_models, register
from mien.models.summary import Layer, Summary, summarise

__all__ = ["Layer", "Summary", "create_model", "list_models", "register", "summarise"]

LADDER = ("logistic", "feedforward", "cnn", "resnet")
"""The four rungs of the article, each deeper than the last."""
