"""Recipe: everything that decides how a network is trained, as one validated record."""

import json
from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from mien.errors import RecipeError
from mien.training.presets import OTHERS, PRESETS

TIMM = "timm"
"""The value of `init` that stands for timm's own weights of a backbone."""


class Recipe(BaseModel):
    """How to train one network. Frozen; `recipe.model_copy(update={"epochs": 3})` makes another.

    Its fields are the options of `mien train`, where each is explained; so does
    `mien.Recipe.model_fields["plain"].description`.

    With `compile`, which compiles once for each size of faces, they have two sizes at most: `start_size`, and full from
    35 % of the epochs on. Such a training discards whatever else torch has compiled in this process; it is compiled
    again when it is used.

    Make one by `mien.recipe`, which knows the presets and raises RecipeError for what can't be; this constructor knows
    none, and raises pydantic's ValidationError.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model: str = Field(description="the network, a name from `mien models`")
    preset: str = Field(default="", description="the preset that the recipe began as, if it did")
    options: dict[str, Any] = Field(default_factory=dict, description="the network's own options, such as its widths")

    init: str = Field(
        default="",
        description="weights to start from (`mien.train` does): a run folder, a network in the box such as small, or "
        "timm's for a backbone",
    )
    teachers: list[str] = Field(
        default_factory=list,
        description="trained networks that teach (`mien.train` asks them): run folders, or networks in the box",
    )
    distil: float = Field(
        default=0.7,
        ge=0,
        le=1,
        description="share of a target that is the teachers' mean answer for the face as the network sees it; its "
        "label is the rest",
    )
    epochs: int = Field(default=20, ge=1, description="passes over the training faces")
    batch: int = Field(default=128, ge=1, description="faces in a step")
    accumulate: int = Field(
        default=1, ge=1, description="parts that a step's faces are computed in, where memory is short"
    )
    seed: int = Field(
        default=0,
        ge=0,
        le=2**31 - 1,
        description="decides order and augmentation, and in `mien.train` the first weights",
    )

    optimiser: Literal["sgd", "adamw"] = Field(default="sgd", description="SGD with Nesterov momentum, or AdamW")
    lr: float = Field(default=0.1, gt=0, description="highest learning rate")
    momentum: float = Field(default=0.9, ge=0, lt=1, description="SGD's momentum; AdamW's first beta")
    weight_decay: float = Field(
        default=5e-4, ge=0, description="pull of weights towards zero; never on norms and biases"
    )
    schedule: Literal["onecycle", "cosine", "constant"] = Field(
        default="onecycle", description="course of the learning rate"
    )
    warmup: float = Field(
        default=0.2, ge=0, lt=1, description="share of the steps in which the rate rises (onecycle, cosine)"
    )
    clip: float = Field(default=0.0, ge=0, description="largest gradient norm; 0 leaves gradients as they are")

    smoothing: float = Field(
        default=0.0, ge=0, lt=1, description="label smoothing: share of each target spread over all"
    )
    class_weights: Literal["none", "balanced"] = Field(default="none", description="balanced: rare classes weigh more")
    sampling: Literal["shuffled", "balanced"] = Field(
        default="shuffled",
        description="balanced: an epoch draws every class as often as any other, the rare ones repeatedly",
    )
    mixup: float = Field(default=0.0, ge=0, description="alpha of mixup's Beta distribution; 0 mixes nothing")
    cutmix: float = Field(default=0.0, ge=0, description="alpha of cutmix's Beta distribution; 0 cuts nothing")
    second: float = Field(default=1.0, ge=0, description="weight of the loss on a second labelling, where there is one")
    ema: float = Field(default=0.0, ge=0, lt=1, description="decay of the weights' moving average; 0 keeps none")

    flip: bool = Field(default=False, description="mirror half of the faces")
    shift: float = Field(default=0.0, ge=0, le=0.5, description="largest shift, as a share of the face's side")
    scale: float = Field(default=0.0, ge=0, lt=1, description="largest change of size, as a share")
    rotate: float = Field(default=0.0, ge=0, le=180, description="largest roll, in degrees")
    brightness: float = Field(
        default=0.0, ge=0, le=1, description="largest change of brightness, as a share of the range"
    )
    contrast: float = Field(default=0.0, ge=0, lt=1, description="largest change of contrast, as a share")
    blur: float = Field(
        default=0.0, ge=0, le=0.5, description="largest blur, its sigma as a share of the face's side; half stay sharp"
    )
    noise: float = Field(
        default=0.0, ge=0, le=1, description="largest noise, its deviation as a share of the range; half have none"
    )
    clear: float = Field(
        default=0.0, ge=0, le=1, description="share of the epochs, the last ones, without blur and noise"
    )
    plain: float = Field(
        default=0.0, ge=0, le=1, description="share of the epochs, the last ones, without shift, scale and rotate"
    )
    norm_faces: int = Field(
        default=0,
        ge=0,
        description="training faces that the norms' means and variances are measured on anew after each epoch, as they "
        "are; 0: they stay those of moved ones",
    )
    erase: float = Field(default=0.0, ge=0, le=1, description="share of faces in which a random rectangle is erased")

    start_size: int = Field(
        default=0, ge=0, description="side of the faces in the first epochs, growing to full; 0: always full"
    )
    early_stop: int = Field(
        default=0, ge=0, description="stop after this many epochs without a better one; 0 never stops early"
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto",
        description="auto: bfloat16 where the chip has it (CUDA, AVX512-BF16 or AMX), else float32; float16 is for "
        "GPUs without bfloat16, such as the T4",
    )
    compile: bool = Field(default=False, description="torch.compile the network (CUDA)")

    @field_validator("options")
    @classmethod
    def _ours_to_choose(cls, options: dict[str, Any]) -> dict[str, Any]:
        if taken := {"classes", "channels", "size"} & options.keys():
            raise ValueError(f"{', '.join(sorted(taken))} follow from the data and can't be chosen")
        if "name" in options:
            raise ValueError("name is the model's, and can't be chosen")
        for name, value in options.items():
            try:
                json.dumps(value, allow_nan=False)
            except (TypeError, ValueError) as error:
                raise ValueError(
                    f"{name} must be what JSON can hold, for a run keeps it in its recipe.json: numbers, texts, "
                    f"true, false, null, lists and dicts of these ({error})"
                ) from None
        return options

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = True) -> "Recipe":
        """This recipe with other fields, which are checked. Raises RecipeError as `mien.recipe` does."""
        return read_recipe({**self.model_dump(), **(update or {})})


def recipe(model: str, preset: str = "tuned", **fields: Any) -> Recipe:
    """The recipe of that model and preset, with `fields` in place of the preset's.

    `options` are merged into the preset's, key by key. A network without presets of its own, somebody's or timm's, gets
    a plain recipe of 24 epochs as `tuned`, which nobody tuned for it.

    Raises:
        RecipeError: for an unknown preset, field or value; the message says which are allowed.

    >>> recipe("cnn", epochs=3).epochs
    3
    """
    presets = sorted({name for _, name in PRESETS})
    if preset not in presets:
        raise RecipeError(f"There is no preset {preset!r}; the presets are {', '.join(presets)}.")
    base = PRESETS.get((model, preset), OTHERS.get(preset))
    if base is None:
        has = ", ".join(name for name, its in PRESETS if its == preset)
        raise RecipeError(f"The preset {preset!r} has nothing for a {model}, only for {has}.")
    options = fields.pop("options", {})
    if isinstance(options, dict):
        options = {**base.get("options", {}), **options}
    return read_recipe({**base, **fields, "model": model, "preset": preset, "options": deepcopy(options)})


def read_recipe(fields: dict[str, Any]) -> Recipe:
    """A recipe from plain data, such as what `recipe.json` holds. Raises RecipeError as `recipe` does."""
    try:
        return Recipe.model_validate(fields)
    except ValidationError as error:
        raise RecipeError("\n".join(_sentence(fault) for fault in error.errors())) from None


def _sentence(fault: Any) -> str:
    name = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"A recipe has no field {name!r}; its fields are {', '.join(Recipe.model_fields)}."
    return f"The recipe's {name} can't be {fault['input']!r}: {fault['msg']}."
