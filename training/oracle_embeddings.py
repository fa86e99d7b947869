"""Oracle embeddings: vectors made from the patch targets in place of an encoded image.

The decoder trains on them first: they are exact, they need no vision tower, and they then give the
projector a target for every patch.

The weights start near a solution; from a random start the decoder does not learn to use patches. The
embedding of a patch of a red-marked penguin is the sum of the embeddings of `red` and `penguin`, and
queries and keys project alike, so that a word attends to patches of its meaning (after "Mimetic
Initialization of Self-Attention Layers", Trockman and Kolter, 2023).
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import LlamaModel, PreTrainedTokenizerBase

from training.architecture import first_token
from training.patch_targets import IGNORE, PATCH_TARGETS
from vipllava_cli.engine.prompts.phrases import COLOR_WORDS, SHAPE_WORDS
from vipllava_cli.flows.evals.clipart.objects import OBJECT_CLASSES
from vipllava_cli.flows.evals.clipart.scenes import FULL
from vipllava_cli.marks.colors import MODEL_COLORS

_EMBEDDING_STD = 0.5
_SYNONYM_SHARE = 0.9  # share of the embedding of `lime` in that of `green`
# Scales of word embeddings in oracle embeddings.
_SHAPE_SCALE = 0.5  # less than colours: the marks of a scene differ in colour, not always in shape
_COUNT_SCALE = 0.3
_SIDE_SCALE, _SIDE_COLOR_SCALE = (
    0.7,
    0.4,
)  # a neighbour is the sum of its side and the mark's colour
_SIDE_WORDS = {
    "left": ("left",),
    "right": ("right",),
    "above": ("above", "over"),
    "below": ("below", "under"),
}
# Scales of the decoder's initial weights.
_QUERY_KEY_SCALE = 1.2
_VALUE_SCALE = 0.3
_HEAD_SCALE = 0.08  # of the word embeddings in the language-model head
_NOISE_STD = 0.01


class OracleEmbeddings(nn.Module):
    """One embedding table for each patch target. The embedding of a patch is the sum over the targets."""

    def __init__(self, width: int) -> None:
        super().__init__()
        # Row 0 stands for IGNORE.
        self.tables = nn.ModuleList(nn.Embedding(t.classes + 1, width) for t in PATCH_TARGETS)
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, patch_targets: Tensor) -> Tensor:
        """Embed targets int64 [batch, targets, patches] as float [batch, patches, width]."""
        rows = torch.where(patch_targets == IGNORE, 0, patch_targets + 1)
        vectors = [table(rows[:, index]) for index, table in enumerate(self.tables)]
        return torch.stack(vectors).sum(0) + self.bias


@torch.no_grad()
def initialize_decoder(
    decoder: LlamaModel,
    head: nn.Linear,
    oracle: OracleEmbeddings,
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    """Initialize decoder, head and oracle so that words attend to patches of the same meaning."""
    words = _initialize_words(decoder.embed_tokens.weight, tokenizer)
    head.weight.copy_(words * _HEAD_SCALE)
    for layer in decoder.layers:
        _initialize_attention(layer.self_attn, decoder.config.num_attention_heads)
        for name, std in (("gate_proj", 0.03), ("up_proj", 0.03), ("down_proj", 0.01)):
            nn.init.normal_(getattr(layer.mlp, name).weight, std=std)
    _initialize_oracle(oracle, words, tokenizer)


def class_tokens(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return the first token of the name of each object class."""
    return _first_tokens(tokenizer, [object_class.name for object_class in OBJECT_CLASSES])


def _initialize_words(words: Tensor, tokenizer: PreTrainedTokenizerBase) -> Tensor:
    """Initialize word embeddings [vocabulary, width] in place: random, with similar synonyms."""
    nn.init.normal_(words, std=_EMBEDDING_STD)
    for synonyms in (*COLOR_WORDS.values(), *SHAPE_WORDS.values(), *_SIDE_WORDS.values()):
        first, *others = _first_tokens(tokenizer, synonyms)
        for other in others:
            if other != first:
                words[other] = (
                    _SYNONYM_SHARE * words[first] + (1 - _SYNONYM_SHARE) * 3 * words[other]
                )
    return words


def _initialize_attention(attention: Any, heads: int) -> None:
    """Make queries and keys project alike, on the dimensions that rotary positions rotate slowly."""
    width = attention.q_proj.in_features
    head_width = width // heads
    slow = (torch.arange(head_width) % (head_width // 2) >= head_width // 8).float()[:, None]
    for head in range(heads):
        basis = torch.linalg.qr(torch.randn(width, head_width)).Q.T * slow * _QUERY_KEY_SCALE
        rows = slice(head * head_width, (head + 1) * head_width)
        for projection in (attention.q_proj, attention.k_proj):
            projection.weight[rows] = basis + _NOISE_STD * torch.randn_like(basis)
    for projection, scale in ((attention.v_proj, _VALUE_SCALE), (attention.o_proj, 1.0)):
        projection.weight.copy_(scale * torch.eye(width) + _NOISE_STD * torch.randn(width, width))


def _initialize_oracle(
    oracle: OracleEmbeddings, words: Tensor, tokenizer: PreTrainedTokenizerBase
) -> None:
    """Initialize the tables with the embeddings of the words for their values."""
    classes = words[class_tokens(tokenizer)]
    colors = words[_first_tokens(tokenizer, [color.name for color in MODEL_COLORS])]
    shapes = words[_first_tokens(tokenizer, [SHAPE_WORDS[shape][0] for shape in FULL.shapes])]
    digits = _first_tokens(tokenizer, [str(count + 1) for count in range(FULL.max_objects)])
    known = {
        "object_class": classes,
        "mark_color": colors,
        "object_mark_color": colors,
        "object_mark_shape": _SHAPE_SCALE * shapes,
        "mark_shape": _SHAPE_SCALE * shapes,
        "marked_class": classes,
        "object_count": _COUNT_SCALE * words[digits],
    } | {
        side: _SIDE_SCALE * words[first_token(tokenizer, synonyms[0])] + _SIDE_COLOR_SCALE * colors
        for side, synonyms in _SIDE_WORDS.items()
    }
    tables: Any = oracle.tables
    for target, table in zip(PATCH_TARGETS, tables, strict=True):
        rows = known.get(target.name)
        nn.init.normal_(table.weight, std=_EMBEDDING_STD / (2 if rows is None else 10))
        if rows is not None:
            table.weight[1 : len(rows) + 1] = rows


def _first_tokens(tokenizer: PreTrainedTokenizerBase, words: Sequence[str]) -> list[int]:
    return [first_token(tokenizer, word) for word in words]
