"""The recipes that have names, for each model: `article`, `tuned`, `demo` and `finetune`.

`article` is what the article did; where it is silent, the plainest choice, marked so. `tuned` is ours for real
FER2013. `demo` is quick, for the drawn faces. `finetune` goes on from trained weights with faces of one's own.
What those of the ladder's networks measure stands in docs/RESULTS.md.
"""

from typing import Any

_ARTICLE: dict[str, Any] = {
    # The article says: batches of 400, cross-entropy, 25 epochs (10 for the CNN, in its second part), crops and flips
    # for the deeper ones. It is silent on the rest; ours: updates by Adam's rule without decay, a constant rate, pixels
    # divided by 255 only.
    "batch": 400,
    "optimiser": "adamw",
    "weight_decay": 0.0,
    "schedule": "constant",
    "lr": 0.001,
}
_CROPS_AND_FLIPS: dict[str, Any] = {"flip": True, "shift": 4 / 48}  # a random crop after padding by 4 pixels

_DEMO: dict[str, Any] = {"optimiser": "adamw", "lr": 0.005, "weight_decay": 0.05, "batch": 64, "flip": True}

_WARP: dict[str, Any] = {"flip": True, "shift": 0.1, "scale": 0.15, "rotate": 12}

_FINETUNE: dict[str, Any] = {
    **_WARP,
    "optimiser": "adamw",
    "lr": 0.0001,
    "weight_decay": 0.05,
    "batch": 64,
    "epochs": 20,
    "smoothing": 0.1,
    "erase": 0.2,
}

PRESETS: dict[tuple[str, str], dict[str, Any]] = {
    ("logistic", "article"): {
        **_ARTICLE,
        "options": {"normalise": "none"},
        "optimiser": "sgd",  # plain gradient descent, as in the notebook on MNIST that the article follows
        "momentum": 0.0,
        "epochs": 25,
    },
    ("feedforward", "article"): {
        **_ARTICLE,
        **_CROPS_AND_FLIPS,
        "options": {"normalise": "none", "hidden": [512, 256], "batch_norm": False, "dropout": 0.0},
        "epochs": 25,
    },
    ("cnn", "article"): {
        **_ARTICLE,
        **_CROPS_AND_FLIPS,
        "options": {"normalise": "none", "widths": [32, 64, 128], "depths": [1, 1, 1], "dropout": 0.0},
        "epochs": 10,
    },
    ("resnet", "article"): {
        **_ARTICLE,
        **_CROPS_AND_FLIPS,
        "options": {"normalise": "none", "stem": 32, "widths": [32, 64, 128], "depths": [1, 1, 1], "dropout": 0.0},
        "epochs": 10,
    },
    ("logistic", "tuned"): {"options": {"normalise": "none"}, "epochs": 20, "lr": 0.01, "flip": True},
    ("feedforward", "tuned"): {
        "options": {"hidden": [2048, 1024, 512], "dropout": 0.15},
        "flip": True,
        "shift": 0.04,  # a network without convolutions must learn each place anew: less warp than the deeper ones
        "scale": 0.08,
        "rotate": 6,
        "optimiser": "adamw",
        "lr": 0.002,
        "weight_decay": 0.05,
        "epochs": 40,
        "smoothing": 0.1,
        "ema": 0.999,
    },
    ("cnn", "tuned"): {**_WARP, "epochs": 24, "smoothing": 0.1, "erase": 0.3, "ema": 0.998, "start_size": 32},
    ("resnet", "tuned"): {
        **_WARP,
        "epochs": 64,
        "smoothing": 0.1,
        "erase": 0.5,
        "ema": 0.999,
        "start_size": 32,
        "norm_faces": 2048,
    },
    ("flagship", "tuned"): {
        **_WARP,
        "epochs": 120,
        "batch": 256,
        "lr": 0.2,
        "smoothing": 0.1,
        "erase": 0.5,
        "cutmix": 1.0,
        "mixup": 0.2,
        "ema": 0.999,
        "start_size": 32,
        "norm_faces": 2048,
    },
    ("flagship_small", "tuned"): {
        **_WARP,
        "epochs": 160,
        "smoothing": 0.1,
        "erase": 0.3,
        "ema": 0.998,
        "start_size": 24,
        "norm_faces": 2048,
    },
    ("logistic", "demo"): {"epochs": 10, "lr": 0.01, "flip": True},
    ("feedforward", "demo"): {
        **_DEMO,
        "options": {"hidden": [512, 256], "dropout": 0.5},
        "lr": 0.002,
        "batch": 128,
        "epochs": 20,
    },
    ("cnn", "demo"): {**_DEMO, "options": {"widths": [16, 32, 64], "depths": [1, 1, 1]}, "epochs": 10},
    ("resnet", "demo"): {**_DEMO, "options": {"stem": 16, "widths": [24, 48, 96], "depths": [1, 1, 1]}, "epochs": 10},
    ("flagship", "demo"): {**_DEMO, "options": {"stem": 16, "widths": [24, 48, 96], "depths": [1, 1, 1]}, "epochs": 10},
    ("flagship_small", "demo"): {
        **_DEMO,
        "options": {"stem": 16, "widths": [24, 48], "depths": [1, 1], "stride": 1, "squeeze": True},
        "epochs": 10,
    },
}
PRESETS |= {(model, "finetune"): _FINETUNE for model in sorted({model for model, _ in PRESETS})}

OTHERS: dict[str, dict[str, Any]] = {
    "tuned": {**_WARP, "epochs": 24, "smoothing": 0.1, "erase": 0.3, "ema": 0.998},
    "demo": {**_DEMO, "epochs": 10},
    "finetune": _FINETUNE,
}
"""For networks that have no presets of their own: timm's, and those that somebody registers."""
