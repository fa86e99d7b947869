"""A small model and a short recipe: they train in seconds, through the same code. Imports torch."""

from transformers import VipLlavaConfig

from training.architecture import make_config
from training.recipe import Recipe


def short_recipe(learning_rate: float = 1e-3) -> Recipe:
    """Two steps of two scenes in every stage, with a validation after each step."""
    return Recipe().override(
        {
            "steps": 2,
            "batch_size": 2,
            "warmup_steps": 1,
            "learning_rate": learning_rate,
            "adamw_learning_rate": learning_rate,
            "tokenizer_scenes": 50,
            "held_out_batches": 1,
            "save_every": 1,
        }
    )


def shallow_config() -> VipLlavaConfig:
    """The shipped model's configuration with the fewest layers that the projector can read."""
    config = make_config()
    config.vision_config.num_hidden_layers = 4
    config.text_config.num_hidden_layers = 1
    return config
