"""Figures of data, training and judging, as PNG or SVG bytes.

They look as `mien.style` says. Nothing here touches pyplot or a window system.
"""

from mien.evaluation.figures.charts import class_counts as class_counts
from mien.evaluation.figures.charts import confidence_picture as confidence_picture
from mien.evaluation.figures.charts import confusion_matrix as confusion_matrix
from mien.evaluation.figures.charts import curves as curves
from mien.evaluation.figures.charts import ladder_picture as ladder_picture
from mien.evaluation.figures.charts import robustness_picture as robustness_picture
from mien.evaluation.figures.faces import batch_picture as batch_picture
from mien.evaluation.figures.faces import class_means as class_means
from mien.evaluation.figures.faces import class_samples as class_samples
from mien.evaluation.figures.faces import corruption_picture as corruption_picture
from mien.evaluation.figures.faces import explanation_picture as explanation_picture
from mien.evaluation.figures.faces import gallery as gallery
from mien.evaluation.figures.sheet import Kind as Kind
