"""Figures of data, training and judging, as PNG or SVG bytes.

They look as `mien.style` says. Nothing here touches pyplot or a window system.
"""

from mien.evaluation.figures.charts import (
    class_counts,
    confidence_picture,
    confusion_matrix,
    curves,
    ladder_picture,
    robustness_picture,
)
from mien.evaluation.figures.faces import (
    batch_picture,
    class_means,
    class_samples,
    corruption_picture,
    explanation_picture,
    gallery,
)
from mien.evaluation.figures.sheet import Kind

__all__ = [
    "Kind",
    "batch_picture",
    "class_counts",
    "class_means",
    "class_samples",
    "confidence_picture",
    "confusion_matrix",
    "corruption_picture",
    "curves",
    "explanation_picture",
    "gallery",
    "ladder_picture",
    "robustness_picture",
]
