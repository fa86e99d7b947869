"""The training recipe: stages and their hyperparameters."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any


def _hyperparameter(help: str, default: Any = None) -> Any:
    """Declare a field that is also a command-line flag; `help` is the flag's help text."""
    metadata = {"help": help}
    return (
        field(metadata=metadata) if default is None else field(default=default, metadata=metadata)
    )


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage of training: its modules, its loss and its hyperparameters.

    `loss` is a key of LOSSES. `modules` are prefixes of the names of the parameters to train.
    One in `conversation_every` scenes has a conversation; 0 for none.
    """

    name: str
    loss: str
    modules: tuple[str, ...]
    uses_pixels: bool = True
    conversation_every: int = 1
    steps: int = _hyperparameter("optimizer steps")
    batch_size: int = _hyperparameter("marked scenes per step, of all processes together")
    learning_rate: float = _hyperparameter("peak learning rate of Muon, for the layers' matrices")
    adamw_learning_rate: float = _hyperparameter(
        "peak learning rate of AdamW, for all other parameters"
    )
    warmup_steps: int = _hyperparameter("steps in which the learning rate rises from 0", 60)
    decay_fraction: float = _hyperparameter(
        "fraction of the steps, at the end, in which the learning rate falls to 0", 0.7
    )
    full_images_from: float = _hyperparameter(
        "fraction of the steps after which steps use every patch, as inference does", 0.95
    )
    full_images_every: int = _hyperparameter(
        "interval, in steps, at which earlier steps use every patch too; 0 for never", 0
    )

    def uses_full_images(self, step: int) -> bool:
        is_periodic = self.full_images_every > 0 and step % self.full_images_every == 0
        return is_periodic or step >= self.full_images_from * self.steps

    def learning_rate_factor(self, step: int) -> float:
        """Return the share of the peak learning rates: linear warm-up, constant, linear decay."""
        decay = (self.steps - step) / (self.decay_fraction * self.steps)
        return min(1.0, (step + 1) / self.warmup_steps, decay)


_DECODER = ("model.model.language_model", "model.lm_head")
_VISION_TOWER = ("model.model.vision_tower", "patch_heads")
_PROJECTOR = ("model.model.multi_modal_projector",)

# The order and the number of stages fix which scenes each stage sees: see `Recipe.first_scene`.
STAGES: tuple[Stage, ...] = (
    Stage(
        name="decoder",
        loss="oracle_answers",
        modules=(*_DECODER, "oracle"),
        uses_pixels=False,
        steps=1900,
        batch_size=32,
        learning_rate=3e-3,
        adamw_learning_rate=1.5e-3,
    ),
    Stage(
        name="vision_tower",
        loss="patches",
        modules=_VISION_TOWER,
        steps=2900,
        batch_size=64,
        learning_rate=4e-3,
        adamw_learning_rate=1.5e-3,
        conversation_every=0,
    ),
    Stage(
        name="projector",
        loss="projection",
        modules=(*_VISION_TOWER, *_PROJECTOR),
        steps=3400,
        batch_size=64,
        learning_rate=2.5e-3,
        adamw_learning_rate=1.2e-3,
        conversation_every=0,
    ),
    Stage(
        name="answers",
        loss="answers",
        modules=(*_DECODER, *_PROJECTOR),
        steps=2750,
        batch_size=32,
        learning_rate=1.5e-3,
        adamw_learning_rate=0.7e-3,
    ),
    Stage(
        name="joint",
        loss="joint",
        modules=(*_VISION_TOWER, *_PROJECTOR, *_DECODER),
        steps=3050,
        batch_size=96,
        learning_rate=2.5e-3,
        adamw_learning_rate=1e-3,
        conversation_every=2,
        decay_fraction=0.9,
        full_images_from=0.88,
        full_images_every=5,
    ),
    # Checkpoints lack the patch heads: this stage trains them before the joint stage continues.
    Stage(
        name="patch_heads",
        loss="joint",
        modules=("patch_heads", *_PROJECTOR),
        steps=150,
        batch_size=96,
        learning_rate=1e-3,
        adamw_learning_rate=3e-3,
        conversation_every=2,
        warmup_steps=10,
    ),
)
FROM_SCRATCH = ("decoder", "vision_tower", "projector", "answers", "joint")
FROM_CHECKPOINT = ("patch_heads", "joint")

_SCENES_PER_STAGE = 10_000_000  # more than any stage uses


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to train the model. The model card lists the values for the shipped weights."""

    stages: tuple[Stage, ...] = STAGES
    seed: int = _hyperparameter(
        "seed of the weights; training scenes of two seeds never coincide", 0
    )
    save_every: int = _hyperparameter(
        "steps between validations; each saves the state to resume", 200
    )
    held_out_batches: int = _hyperparameter("batches of held-out scenes in a validation", 2)
    tokenizer_scenes: int = _hyperparameter("scenes whose texts train the tokenizer", 3000)

    def stage(self, name: str) -> Stage:
        return next(stage for stage in self.stages if stage.name == name)

    def first_scene(self, stage: Stage) -> int:
        """Return the number of a stage's first scene: no two stages or seeds share training scenes."""
        names = [each.name for each in self.stages]
        return _SCENES_PER_STAGE * (self.seed * len(names) + names.index(stage.name))

    def override(self, values: Mapping[str, Any], stage_name: str | None = None) -> "Recipe":
        """Replace hyperparameters of the recipe and of its stages, or of the named stage only."""
        own = {each.name for each in fields(self)}
        of_stages = {name: value for name, value in values.items() if name not in own}
        stages = tuple(
            replace(stage, **of_stages) if stage_name in (None, stage.name) else stage
            for stage in self.stages
        )
        return replace(
            self,
            stages=stages,
            **{name: value for name, value in values.items() if name in own},
        )
