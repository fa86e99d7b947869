"""The stages of training: what learns, by which loss, for how long and how fast."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """`steps` batches of `batch` marked scenes; `rate` for Muon's matrices, `plain_rate` for AdamW's
    rest. `loss` names the Learner's method, `parts` what of it learns.
    """

    name: str
    loss: str
    parts: tuple[str, ...]
    steps: int
    batch: int
    rate: float
    plain_rate: float
    pixels: bool = True
    talk_every: int = 1  # a conversation is had about every so many images; 0: about none
    warm_up: int = 60
    cool_down: float = 0.7  # the last share of the steps, in which the rate falls to nothing
    whole_from: float = 0.95  # from this share of the steps on, no patch is left out
    whole_every: int = 0  # nor, before that, in one of so many steps; 0: in none

    def whole(self, step: int) -> bool:
        """Whether this step looks at whole images, as they are looked at in use."""
        often = self.whole_every and step % self.whole_every == 0
        return bool(often) or step >= self.whole_from * self.steps

    def factor(self, step: int) -> float:
        left = (self.steps - step) / (self.cool_down * self.steps)
        return min(1.0, (step + 1) / self.warm_up, left)


_DECODER = ("model.model.language_model", "model.lm_head")
_TOWER = ("model.model.vision_tower", "heads")
_PROJECTOR = ("model.model.multi_modal_projector",)


_APART = 10_000_000  # scenes, more than a stage sees


@dataclass(frozen=True)
class Recipe:
    """How to train from nothing; the card beside the weights says what the shipped ones had."""

    seed: int = 0
    reading: Stage = Stage(
        "reading", "reading_loss", (*_DECODER, "symbols"), 1900, 32, 3e-3, 1.5e-3, pixels=False
    )
    seeing: Stage = Stage("seeing", "seeing_loss", _TOWER, 2900, 64, 4e-3, 1.5e-3, talk_every=0)
    joining: Stage = Stage(
        "joining", "joining_loss", (*_TOWER, *_PROJECTOR), 3400, 64, 2.5e-3, 1.2e-3, talk_every=0
    )
    whole: Stage = Stage("whole", "whole_loss", (*_DECODER, *_PROJECTOR), 2750, 32, 1.5e-3, 0.7e-3)
    together: Stage = Stage(
        "together",
        "together_loss",
        (*_TOWER, *_PROJECTOR, *_DECODER),
        3050,
        96,
        2.5e-3,
        1e-3,
        talk_every=2,
        cool_down=0.9,
        whole_from=0.88,
        whole_every=5,
    )
    # Behind a trained model: what it was trained with besides is not kept with it.
    fitting: Stage = Stage(
        "fitting",
        "together_loss",
        ("heads", *_PROJECTOR),
        150,
        96,
        1e-3,
        3e-3,
        talk_every=2,
        warm_up=10,
    )
    tokenizer_scenes: int = 3000
    held_out_batches: int = 2
    save_every: int = 200

    @property
    def stages(self) -> tuple[Stage, ...]:
        """From nothing."""
        return self.reading, self.seeing, self.joining, self.whole, self.together

    @property
    def every(self) -> tuple[Stage, ...]:
        """Those of both ways."""
        return *self.stages, self.fitting

    def first_scene(self, stage: Stage) -> int:
        """The number of the scene with which a stage begins. Far apart, so that none sees another's, and
        whatever the steps, so that one that goes on with other steps sees nothing again.
        """
        return _APART * (self.seed * len(self.every) + self.every.index(stage))

    @property
    def going_on(self) -> tuple[Stage, ...]:
        """Behind a trained model."""
        return self.fitting, self.together
