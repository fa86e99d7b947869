"""Processors of model families: for images only, with Pillow.

The processors of transformers load a processor of videos, too. That one needs torchvision and, in one
family, num2words. The program asks about images alone, so it loads them without.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import transformers
from transformers import AutoImageProcessor, AutoTokenizer, PreTrainedConfig, ProcessorMixin
from transformers.image_processing_utils import BaseImageProcessor

from vipllava_cli.engine.hub.checkpoints import Checkpoint
from vipllava_cli.engine.local.families import RunFamily
from vipllava_cli.engine.local.llama4_images import Llama4ImageProcessor
from vipllava_cli.errors import ModelError

_PILLOW = (
    "pil"  # the backend: the same pixels on every machine, whether torchvision is there or not
)


class _NoVideos(dict[str, Any]):  # a dict: transformers writes processors as JSON
    """Stands for the processor of videos."""

    model_input_names: Sequence[str] = ()
    merge_size = temporal_patch_size = 1


class PixtralProcessor(ProcessorMixin):
    """The processor of Pixtral and Mistral 3: a token ends each row of patches.

    The class of transformers (5.23.0) cannot be imported without torchvision.
    """

    def __init__(
        self,
        image_processor: Any,
        tokenizer: Any,
        patch_size: int = 16,
        spatial_merge_size: int = 1,
        chat_template: str | None = None,
        image_token: str = "[IMG]",  # noqa: S107 - a word of the vocabulary
        image_break_token: str = "[IMG_BREAK]",  # noqa: S107
        image_end_token: str = "[IMG_END]",  # noqa: S107
        **_: Any,
    ) -> None:
        super().__init__(image_processor, tokenizer, chat_template=chat_template)
        self._patch = patch_size * spatial_merge_size
        self.image_token = image_token
        self.image_token_id = tokenizer.convert_tokens_to_ids(image_token)
        self._break, self._end = image_break_token, image_end_token

    def _process_images(self, images: Any, **kwargs: Any) -> Any:
        return super()._process_images(images, **kwargs | {"patch_size": self._patch})

    def replace_image_token(self, image_inputs: Any, image_idx: int, **kwargs: Any) -> str:
        """Return the tokens of an image: a row of patches after the other."""
        height, width = (
            int(side) // self._patch for side in image_inputs["image_sizes"][image_idx]
        )
        rows = [self.image_token * width] * height
        return self._break.join(rows) + self._end


# In place of classes of transformers that need torchvision.
_OWN: Mapping[str, type[Any]] = {"PixtralProcessor": PixtralProcessor}
_OWN_IMAGES: Mapping[str, type[Any]] = {"Llama4ImageProcessor": Llama4ImageProcessor}


def load_family_processor(
    checkpoint: Checkpoint, family: RunFamily, config: PreTrainedConfig
) -> Any:
    """Load the processor of a checkpoint. Raises ModelError, and what transformers raises.

    `config` is the checked one: transformers would read config.json again.
    """
    return _image_only(_processor_class(family, checkpoint.name), config).from_pretrained(
        checkpoint.folder, local_files_only=True
    )


def _processor_class(family: RunFamily, name: str) -> type[Any]:
    if family.processor in _OWN:
        return _OWN[family.processor]
    found: type[Any] = getattr(transformers, family.processor)
    if getattr(found, "is_dummy", False):
        raise ModelError(
            f"the processor of {name} needs the package torchvision, which is not installed:"
            " `pip install torchvision`"
        )
    module = import_module(found.__module__)
    if getattr(module, "num2words", ...) is None:  # it writes numbers in prompts about videos
        vars(module)["num2words"] = str
    return found


def _image_only(processor_class: type[Any], config: PreTrainedConfig) -> type[Any]:
    """Return a subclass that loads an image processor and a tokenizer, and nothing for videos."""

    class ImageOnly(processor_class):
        @classmethod
        def _get_arguments_from_pretrained(cls, folder: Any, *_: Any, **__: Any) -> list[Any]:
            return [_LOADERS[name](folder, config) for name in cls.get_attributes()]

        def check_argument_for_proper_class(self, name: str, argument: Any) -> Any:
            if not isinstance(argument, _NoVideos):
                super().check_argument_for_proper_class(name, argument)

    ImageOnly.__name__ = processor_class.__name__
    return ImageOnly


def _load_image_processor(folder: Any, config: PreTrainedConfig) -> Any:
    values, _ = BaseImageProcessor.get_image_processor_dict(folder, local_files_only=True)
    own = _OWN_IMAGES.get(str(values.get("image_processor_type")).removesuffix("Fast"))
    if own is not None:
        return own.from_dict(values)
    return AutoImageProcessor.from_pretrained(
        folder, config=config, backend=_PILLOW, local_files_only=True
    )


def _load_tokenizer(folder: Any, config: PreTrainedConfig) -> Any:
    return AutoTokenizer.from_pretrained(folder, config=config, local_files_only=True)


_LOADERS = {
    "image_processor": _load_image_processor,
    "tokenizer": _load_tokenizer,
    "video_processor": lambda *_: _NoVideos(),
}
