"""Images without pixels: what each patch shows, as vectors that the decoder learns to read.

The decoder learns on symbols first: they are exact, cost no vision tower, and the tower then has a
target for every patch. Reading them is learned in thousands of conversations rather than never,
because it starts near its solution: a patch of a red-marked penguin is the sum of the vectors of the
words `red` and `penguin`, and heads whose queries and keys agree look from a word to its like (after
"Mimetic Initialization of Self-Attention Layers", Trockman and Kolter, 2023).
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import LlamaModel, PreTrainedTokenizerBase

from training.architecture import first_token
from training.patch_targets import IGNORE, TARGETS
from vipllava_cli.engine.prompts.phrases import COLOR_WORDS, SHAPE_WORDS
from vipllava_cli.flows.evals.clipart.objects import OBJECT_CLASSES
from vipllava_cli.flows.evals.clipart.scenes import WHOLE
from vipllava_cli.marks.colors import MODEL_COLORS

_SPREAD = 0.5  # of an embedding's entries
_LIKENESS = 0.9  # how much of `lime` there is in `green`
_SHAPE_SHARE = 0.5  # shapes matter less than colours: no two marks of a scene have one colour
_NUMBER_SHARE = 0.3
# What is left of red is found by both words sooner than by either; its own mark's colour by far.
_SIDE_SHARE, _SIDE_COLOR_SHARE = 0.7, 0.4
_SIDE_WORDS = {
    "left": ("left",),
    "right": ("right",),
    "above": ("above", "over"),
    "below": ("below", "under"),
}
_GAZE = 1.2  # of queries and keys
_COPY = 0.3  # of values: what a head brings from where it looks
_READ_OUT = 0.08  # of the embeddings in the head
_NOISE = 0.01


class OracleEmbeddings(nn.Module):
    """A vector for each value of each target; a patch is their sum."""

    def __init__(self, width: int) -> None:
        super().__init__()
        # Number 0 stands for "not told": a patch that the thing covers a little.
        self.tables = nn.ModuleList(nn.Embedding(t.classes + 1, width) for t in TARGETS)
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, labels: Tensor) -> Tensor:
        """int64 [batch, targets, patches] -> [batch, patches, width]."""
        told = torch.where(labels == IGNORE, 0, labels + 1)
        vectors = [table(told[:, number]) for number, table in enumerate(self.tables)]
        return torch.stack(vectors).sum(0) + self.bias


@torch.no_grad()
def start_reading(
    decoder: LlamaModel,
    head: nn.Linear,
    symbols: OracleEmbeddings,
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    """Give decoder, head and symbols weights that look from words to patches of the same meaning."""
    words = _start_words(decoder.embed_tokens.weight, tokenizer)
    head.weight.copy_(words * _READ_OUT)
    for layer in decoder.layers:
        _start_attention(layer.self_attn, decoder.config.num_attention_heads)
        for part, spread in (("gate_proj", 0.03), ("up_proj", 0.03), ("down_proj", 0.01)):
            nn.init.normal_(getattr(layer.mlp, part).weight, std=spread)
    _start_symbols(symbols, words, tokenizer)


def name_tokens(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The first token of each thing's name."""
    return [first_token(tokenizer, thing.name) for thing in OBJECT_CLASSES]


def _start_words(words: Tensor, tokenizer: PreTrainedTokenizerBase) -> Tensor:
    """Random vectors, those of synonyms alike."""
    nn.init.normal_(words, std=_SPREAD)
    for same in (*COLOR_WORDS.values(), *SHAPE_WORDS.values(), *_SIDE_WORDS.values()):
        first, *others = (first_token(tokenizer, word) for word in same)
        for other in others:
            if other != first:
                words[other] = _LIKENESS * words[first] + (1 - _LIKENESS) * 3 * words[other]
    return words


def _start_attention(attention: Any, heads: int) -> None:
    """Queries and keys project alike, on parts that the rotation of positions turns slowly."""
    width = attention.q_proj.in_features
    size = width // heads
    slow = (torch.arange(size) % (size // 2) >= size // 8).float()[:, None]
    for head in range(heads):
        basis = torch.linalg.qr(torch.randn(width, size)).Q.T * slow * _GAZE
        rows = slice(head * size, (head + 1) * size)
        for part in (attention.q_proj, attention.k_proj):
            part.weight[rows] = basis + _NOISE * torch.randn_like(basis)
    for part, share in ((attention.v_proj, _COPY), (attention.o_proj, 1.0)):
        part.weight.copy_(share * torch.eye(width) + _NOISE * torch.randn(width, width))


def _start_symbols(
    symbols: OracleEmbeddings, words: Tensor, tokenizer: PreTrainedTokenizerBase
) -> None:
    """A thing is its name's vector, a mark's colour the colour's, its shape some of the shape's."""
    things = words[name_tokens(tokenizer)]
    colors = words[_tokens(tokenizer, [color.name for color in MODEL_COLORS])]
    shapes = words[_tokens(tokenizer, [SHAPE_WORDS[shape][0] for shape in WHOLE.shapes])]
    digits = _tokens(tokenizer, [str(n + 1) for n in range(WHOLE.most_objects)])
    meant = {
        "thing": things,
        "mark_color": colors,
        "marked_by": colors,
        "marked_shape": _SHAPE_SHARE * shapes,
        "mark_shape": _SHAPE_SHARE * shapes,
        "points_to": things,
        "number": _NUMBER_SHARE * words[digits],
    } | {
        side: _SIDE_SHARE * words[first_token(tokenizer, same[0])] + _SIDE_COLOR_SHARE * colors
        for side, same in _SIDE_WORDS.items()
    }
    tables: Any = symbols.tables
    for target, table in zip(TARGETS, tables, strict=True):
        known = meant.get(target.name)
        nn.init.normal_(table.weight, std=_SPREAD / (2 if known is None else 10))
        if known is not None:
            table.weight[1 : len(known) + 1] = known


def _tokens(tokenizer: PreTrainedTokenizerBase, words: Sequence[str]) -> list[int]:
    return [first_token(tokenizer, word) for word in words]
