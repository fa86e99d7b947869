"""Cached prompt prefix: token ids and their KV cache."""

from dataclasses import dataclass

from transformers import DynamicCache

from vipllava_cli.engine.base import ModelView, Prompt


@dataclass(frozen=True)
class PrefixCache:
    """The start of a prompt about `view`, at least up to the end of its image, and its KV cache."""

    view: ModelView
    ids: tuple[int, ...]
    cache: DynamicCache

    def starts(self, prompt: Prompt) -> bool:
        """Return whether the prompt starts with this complete prefix."""
        return prompt.view is self.view and prompt.ids[: len(self.ids)] == self.ids

    def shared_length(self, prompt: Prompt) -> int:
        """Count the tokens that the prompt shares with this prefix; 0 for another image."""
        if prompt.view is not self.view:
            return 0
        pairs = zip(self.ids, prompt.ids, strict=False)
        differences = (index for index, (own, other) in enumerate(pairs) if own != other)
        return next(differences, min(len(self.ids), len(prompt.ids)))

    def crop(self, length: int) -> "PrefixCache":
        """Crop to the first `length` tokens, which must include the image.

        Crops the KV cache in place, so this object is invalid afterwards. A crop inside the image
        would give wrong answers without an error.
        """
        self.cache.crop(length - len(self.ids))
        return PrefixCache(self.view, self.ids[:length], self.cache)

    def crop_added(self) -> "PrefixCache":
        """Crop away the tokens that a run added behind this prefix, in place."""
        added = self.cache.get_seq_length() - len(self.ids)
        if added:
            self.cache.crop(-added)
        return self

    @property
    def is_croppable(self) -> bool:
        """Whether a crop removes its tokens entirely. A sliding-window cache cannot do that."""
        return bool(self.cache.is_croppable and not any(self.cache.is_sliding))
