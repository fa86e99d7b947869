"""Attention of rows that share the KV cache of an image: it is kept and read once for all of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import DynamicCache


@dataclass(frozen=True)
class SharedPrefix:
    """The start of prompts: keys and values [images, heads, tokens, size] of each layer of `cache`.

    `image_of` [rows] is the image of each row.
    """

    cache: DynamicCache
    image_of: tuple[int, ...]

    @property
    def tokens(self) -> int:
        """The number of tokens of the prefix."""
        length: int = self.cache.get_seq_length()
        return length

    def keep(self, rows: Sequence[int]) -> "SharedPrefix":
        """Keep only these rows."""
        return SharedPrefix(self.cache, tuple(self.image_of[row] for row in rows))

    def attend(
        self,
        layer: int,
        queries: Tensor,
        keys: Tensor,
        values: Tensor,
        is_seen: Tensor | None,
        scale: float,
    ) -> Tensor:
        """Return the attention of queries [rows, heads, new, size] over the prefix and their own tokens.

        `keys` and `values` [rows, heads, own, size] are those of the tokens behind the prefix, of which
        `is_seen` [rows or 1, 1, new or 1, own] says what a query attends to. Computes in fp32.
        """
        images = self.cache.layers[layer]
        output = torch.empty_like(queries)
        for image, members in self._groups():
            rows = torch.tensor(members)
            mask = is_seen
            if is_seen is not None and len(is_seen) > 1:
                mask = is_seen[rows]
            output[rows] = _attend(
                queries[rows].float() * scale,
                (images.keys[image].float(), images.values[image].float()),
                (keys[rows].float(), values[rows].float()),
                mask,
            ).to(queries.dtype)
        return output

    def _groups(self) -> list[tuple[int, list[int]]]:
        """Return the rows of each image."""
        groups: dict[int, list[int]] = {}
        for row, image in enumerate(self.image_of):
            groups.setdefault(image, []).append(row)
        return list(groups.items())


def _attend(
    queries: Tensor,
    shared: tuple[Tensor, Tensor],
    own: tuple[Tensor, Tensor],
    is_seen: Tensor | None,
) -> Tensor:
    """Return the attention of the rows of one image. The shared keys are [heads, tokens, size]."""
    rows, heads, new, size = queries.shape
    kept = shared[0].shape[0]  # heads of the cache, each for one or several heads of the queries
    grouped = queries.reshape(rows, kept, -1, size)
    together = grouped.transpose(0, 1).reshape(kept, -1, size)
    of_shared = (together @ shared[0].transpose(1, 2)).view(kept, rows, -1, shared[0].shape[1])
    of_own = grouped @ own[0].transpose(2, 3)
    if is_seen is not None:
        split = of_own.view(rows, kept, -1, new, of_own.shape[-1])
        split.masked_fill_(~is_seen[:, :, None], -torch.inf)
    weights = torch.cat([of_shared.transpose(0, 1), of_own], -1).softmax(-1)
    to_shared, to_own = weights.split([of_shared.shape[-1], of_own.shape[-1]], -1)
    together = to_shared.transpose(0, 1).reshape(kept, -1, to_shared.shape[-1])
    attended = (together @ shared[1]).view(kept, rows, -1, size).transpose(0, 1)
    output: Tensor = attended + to_own @ own[1]
    return output.reshape(rows, heads, new, size)
