"""The processor of a checkpoint, corrected to agree with the model."""

from tokenizers import AddedToken
from transformers import LlavaProcessor, VipLlavaConfig

from vipllava_cli.engine.hub.checkpoints import Checkpoint
from vipllava_cli.engine.prompts.control_words import IMAGE
from vipllava_cli.errors import ModelError


def load_processor(checkpoint: Checkpoint, config: VipLlavaConfig) -> LlavaProcessor:
    """Load and fix the processor. Raises ModelError, and what transformers raises."""
    processor = LlavaProcessor.from_pretrained(checkpoint.folder, local_files_only=True)
    _fix_processor(processor, config, checkpoint.name)
    return processor


def _fix_processor(processor: LlavaProcessor, config: VipLlavaConfig, name: str) -> None:
    """Set the number of image tokens to the model's, and add a missing image token.

    Published processors lack these values or have wrong ones. Raises ModelError if the image token
    of the tokenizer is not that of the model.
    """
    processor.patch_size = config.vision_config.patch_size
    processor.num_additional_image_tokens = 1
    processor.vision_feature_select_strategy = "default"
    tokenizer = processor.tokenizer
    tokenizer.padding_side = "left"
    if IMAGE not in tokenizer.get_vocab():
        tokenizer.add_tokens([AddedToken(IMAGE, special=True, normalized=False)])
    token = tokenizer.convert_tokens_to_ids(IMAGE)
    if token != config.image_token_id:
        raise ModelError(
            f"the tokenizer of {name} does not fit its model: {IMAGE} is token"
            f" {config.image_token_id} to the model and {token} to its tokenizer; get the checkpoint"
            " again"
        )
