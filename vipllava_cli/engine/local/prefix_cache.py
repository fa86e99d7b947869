"""What of a prompt is read already: its token ids and the cache that the model made of them."""

from dataclasses import dataclass

from transformers import DynamicCache

from vipllava_cli.engine.base import ModelView, Prompt


@dataclass(frozen=True)
class Prefix:
    """The beginning of a prompt about a view, as far as at least the end of the image."""

    view: ModelView
    ids: tuple[int, ...]
    cache: DynamicCache

    def begins(self, prompt: Prompt) -> bool:
        return prompt.view is self.view and prompt.ids[: len(self.ids)] == self.ids

    def shared(self, prompt: Prompt) -> int:
        """How many tokens the prompt has in common with what is read."""
        if prompt.view is not self.view:
            return 0
        pairs = zip(self.ids, prompt.ids, strict=False)
        differs = (at for at, (ours, theirs) in enumerate(pairs) if ours != theirs)
        return next(differs, min(len(self.ids), len(prompt.ids)))

    def cut(self, length: int) -> "Prefix":
        """The first `length` tokens of it. The cache itself is shortened, so that this prefix is of no
        use afterwards. Sound only behind the image: inside it, the model would go on without an error
        and without the rest of the image.
        """
        self.cache.crop(length - len(self.ids))
        return Prefix(self.view, self.ids[:length], self.cache)

    @property
    def is_croppable(self) -> bool:
        """Whether the cache forgets its last tokens without a trace; a sliding window does not."""
        return bool(self.cache.is_croppable and not any(self.cache.is_sliding))
