"""What is trained: the model with its helpers, and what each stage loses by."""

from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedTokenizerBase, VipLlavaForConditionalGeneration
from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

from training.architecture import GRID
from training.dataset import KINDS, Batch, ChatState
from training.oracle_embeddings import OracleEmbeddings, name_tokens, start_reading
from training.patch_targets import IGNORE, NUMBERS, TARGETS
from vipllava_cli.flows.evals.clipart.objects import OBJECT_CLASSES

# Of 256: empty ones are dropped first, and with them half the work. Symbols can spare some more.
KEPT_PATCHES, KEPT_SYMBOLS = 116, 92
_NAMING_SHARE, _SYMBOL_SHARE = 0.3, 2.0
_TOLD_SHARE = 0.3  # of what answers would change in the tower
_SYMBOL_SCALE = 0.25  # the variance of a symbol's entries
_THING, _INK, _POINTS_TO, _MIDDLE = (
    NUMBERS[name] for name in ("thing", "mark_color", "points_to", "middle")
)

MetricCounts = Counter[str]


class TrainingModel(nn.Module):
    """The model, and what helps to train it and is thrown away: patch heads and symbols."""

    names: Tensor

    def __init__(
        self, model: VipLlavaForConditionalGeneration, tokenizer: PreTrainedTokenizerBase
    ) -> None:
        super().__init__()
        self.model, self.tokenizer = model, tokenizer
        self.heads = PatchHeads(model.config.vision_config.hidden_size)
        self.symbols = OracleEmbeddings(model.config.text_config.hidden_size)
        self.register_buffer("names", torch.tensor(name_tokens(tokenizer)), persistent=False)

    def start(self) -> None:
        """Give the model weights that learn sooner than those it was made with."""
        _small_weights(self.tower)
        decoder = self.model.model.language_model
        start_reading(decoder, self.model.lm_head, self.symbols, self.tokenizer)

    def hasten(self, *, compiled: bool) -> None:
        """Compute the same, sooner: of so few patches a CPU is fastest at attention written out; each
        layer `compiled` into one piece, which takes a minute.
        """
        self.model.set_attn_implementation("sdpa" if torch.cuda.is_available() else "eager")
        if compiled:
            for layer in (*self.tower.encoder.layers, *self.model.model.language_model.layers):
                layer.compile()

    @property
    def tower(self) -> Any:
        """CLIP's own, without the wrapper that some versions put around it."""
        tower = self.model.model.vision_tower
        return getattr(tower, "vision_model", tower)

    # --- stages ------------------------------------------------------------------------------

    def reading_loss(
        self, batch: Batch, metric_counts: MetricCounts, *, whole: bool = False
    ) -> Tensor:
        """Stage 1: the decoder answers about symbols."""
        assert batch.talk is not None
        kept = kept_patches(batch.labels, KEPT_SYMBOLS, whole=whole)
        vectors: Tensor = _at(self.symbols(batch.labels), kept)
        return self._answer_loss(vectors, batch.labels, kept, batch.talk, metric_counts)

    def seeing_loss(
        self, batch: Batch, metric_counts: MetricCounts, *, whole: bool = False
    ) -> Tensor:
        """Stage 2: the tower tells what is on each patch."""
        kept = kept_patches(batch.labels, whole=whole)
        seen = self._see(batch, kept)
        loss: Tensor = self.heads(seen[-1], _of_patches(batch.labels, kept), metric_counts)
        return loss

    def joining_loss(
        self, batch: Batch, metric_counts: MetricCounts, *, whole: bool = False
    ) -> Tensor:
        """Stage 3: and the projector gives its symbol."""
        kept = kept_patches(batch.labels, whole=whole)
        labels = _of_patches(batch.labels, kept)
        seen = self._see(batch, kept)
        wanted = self.symbols(labels).detach()
        told = (labels[:, _THING] != IGNORE) | (labels[:, _INK] != IGNORE)
        weight = torch.where(_empty(labels), 0.2, 1.0) * told
        off = (self._project(seen).float() - wanted).square().mean(-1) / _SYMBOL_SCALE
        patches: Tensor = self.heads(seen[-1], labels, metric_counts)
        return patches + _SYMBOL_SHARE * _mean(off, weight)

    def whole_loss(
        self, batch: Batch, metric_counts: MetricCounts, *, whole: bool = False
    ) -> Tensor:
        """Stage 4: answers about images; what the tower learned is kept."""
        assert batch.talk is not None
        kept = kept_patches(batch.labels, whole=whole)
        with torch.no_grad():
            seen = self._see(batch, kept)
        return self._answer_loss(self._project(seen), batch.labels, kept, batch.talk, metric_counts)

    def together_loss(
        self, batch: Batch, metric_counts: MetricCounts, *, whole: bool = False
    ) -> Tensor:
        """Stage 5: all of it, the tower by its patches and, less, by the answers about them."""
        assert batch.talk is not None
        kept = kept_patches(batch.labels, whole=whole)
        seen = self._see(batch, kept)
        loss: Tensor = self.heads(seen[-1], _of_patches(batch.labels, kept), metric_counts)
        every = batch.talk_every
        told = [_softly(states[::every], _TOLD_SHARE) for states in seen]
        return loss + self._answer_loss(
            self._project(told), batch.labels[::every], kept[::every], batch.talk, metric_counts
        )

    # --- parts -------------------------------------------------------------------------------

    def _see(self, batch: Batch, kept: Tensor) -> list[Tensor]:
        """The tower's states of the kept patches, layer by layer."""
        assert batch.pixels is not None
        tower = self.tower
        states = tower.embeddings(normalized(batch.pixels))
        states = torch.cat([states[:, :1], _at(states[:, 1:], kept)], dim=1)
        seen = [tower.pre_layrnorm(states)]
        for layer in tower.encoder.layers:
            seen.append(layer(seen[-1], attention_mask=None))
        return [states[:, 1:] for states in seen]

    def _project(self, seen: list[Tensor]) -> Tensor:
        """What the decoder reads of the layers that the model reads."""
        read = [seen[layer] for layer in self.model.config.vision_feature_layer]
        vectors: Tensor = self.model.model.multi_modal_projector(torch.cat(read, dim=-1))
        return vectors

    def _answer_loss(
        self,
        vectors: Tensor,
        labels: Tensor,
        kept: Tensor,
        talk: ChatState,
        metric_counts: MetricCounts,
    ) -> Tensor:
        """Cross entropy of the answers, of the hints before them, and of the name that the decoder
        gives each patch. An answer counts as right when every token of it is.
        """
        model = self.model
        before = int((talk.ids[0] == model.config.image_token_id).nonzero()[0])
        after = before + GRID * GRID
        words = model.model.language_model.embed_tokens(talk.ids)
        inputs = torch.cat([words[:, :before], vectors.to(words.dtype), words[:, after:]], dim=1)
        places = torch.arange(talk.ids.shape[1], device=kept.device).expand(len(kept), -1)
        states = model.model.language_model(
            inputs_embeds=inputs,
            position_ids=torch.cat([places[:, :before], before + kept, places[:, after:]], dim=1),
            # Padding at the right needs no mask: attention looks only to the left.
            attention_mask=torch.ones(inputs.shape[:2], dtype=torch.long, device=kept.device),
            use_cache=False,
        ).last_hidden_state
        patches, said = (
            states[:, before : before + kept.shape[1]],
            states[:, -(len(places[0]) - after) :],
        )
        first = states[:, -(len(places[0]) - after) - 1 : -1]
        answers, hints = talk.answers[:, after:], talk.hints[:, after:]
        return (
            self._spoken(first, answers, talk.kinds[:, after:], metric_counts)
            + self._guessed(said, hints)
            + _NAMING_SHARE * self._guessed(patches, self._names(labels, kept))
        )

    def _spoken(
        self, states: Tensor, wanted: Tensor, kinds: Tensor, metric_counts: MetricCounts
    ) -> Tensor:
        chosen = wanted != IGNORE
        scores = self.model.lm_head(states[chosen]).float()
        right = torch.ones_like(chosen)
        right[chosen] = scores.argmax(-1) == wanted[chosen]
        starts = chosen & ~functional.pad(chosen, (1, 0))[:, :-1]
        answer = starts.cumsum(1) * chosen  # 0 outside answers, then 1, 2, 3, …
        for number in range(1, int(answer.max()) + 1):
            inside = answer == number
            rows = inside.any(1)
            whole = (right | ~inside).all(1)[rows]
            kind = kinds[rows].gather(1, inside[rows].int().argmax(1, keepdim=True))[:, 0]
            for index, name in enumerate(KINDS):
                metric_counts[f"{name} right"] += int((whole & (kind == index)).sum())
                metric_counts[f"{name} asked"] += int((kind == index).sum())
        return functional.cross_entropy(scores, wanted[chosen])

    def _guessed(self, states: Tensor, wanted: Tensor) -> Tensor:
        """Cross entropy where something is wanted; 0 where nothing is."""
        chosen = wanted != IGNORE
        scores = self.model.lm_head(states[chosen]).float()
        total = functional.cross_entropy(scores, wanted[chosen], reduction="sum")
        return total / max(len(scores), 1)

    def _names(self, labels: Tensor, kept: Tensor) -> Tensor:
        """For a patch of a mark the thing that it marks, else the thing there: its name's token."""
        shown, meant = labels[:, _THING].gather(1, kept), labels[:, _POINTS_TO].gather(1, kept)
        index = torch.where(meant != IGNORE, meant, shown)
        known = (index != IGNORE) & (index < len(OBJECT_CLASSES))
        return torch.where(known, self.names[torch.where(known, index, 0)], IGNORE)


class PatchHeads(nn.Module):
    """One linear reading of the tower's last layer for each target."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.reads = nn.ModuleDict({t.name: nn.Linear(width, t.classes) for t in TARGETS})

    def forward(self, states: Tensor, labels: Tensor, metric_counts: MetricCounts) -> Tensor:
        """The sum of the targets' losses over `states` [batch, patches, width]."""
        states = self.norm(states)
        total = states.new_zeros((), dtype=torch.float32)
        for target, wanted in zip(TARGETS, labels.unbind(1), strict=True):
            chosen = wanted != IGNORE
            none = (wanted == target.values) & target.or_none
            if target.nones < 1:
                chosen &= ~none | (torch.rand(wanted.shape, device=wanted.device) < target.nones)
            weight = _per_mark(labels) if target.per_mark else torch.ones_like(states[..., 0])
            scores = self.reads[target.name](states[chosen]).float()
            losses = functional.cross_entropy(scores, wanted[chosen], reduction="none")
            total = total + target.share * _mean(losses, weight[chosen])
            counted = chosen & ~none
            right = scores.argmax(-1) == wanted[chosen]
            metric_counts[f"{target.name} right"] += int(right[counted[chosen]].sum())
            metric_counts[f"{target.name} asked"] += int(counted.sum())
        return total


def _softly(values: Tensor, share: float) -> Tensor:
    """The values, whose gradient is only a share of what it would be."""
    return share * values + (1 - share) * values.detach()


def _per_mark(labels: Tensor) -> Tensor:
    """Weights [batch, patches] by which each mark counts alike, however many patches it covers."""
    colors = functional.one_hot(labels[:, _INK].clamp(min=0), TARGETS[_INK].classes)
    colors = colors * (labels[:, _POINTS_TO] != IGNORE)[..., None]
    return (colors / colors.sum(1, keepdim=True).clamp(min=1)).sum(-1)


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    return (values * weights).sum() / weights.sum().clamp(min=1e-6)


def kept_patches(labels: Tensor, most: int = KEPT_PATCHES, *, whole: bool) -> Tensor:
    """The numbers, rising, of the patches that a step looks at: [batch, patches]."""
    patches = labels.shape[-1]
    if whole:
        return torch.arange(patches, device=labels.device).expand(len(labels), -1)
    empty, middle = _empty(labels), labels[:, _MIDDLE] == 0
    # No thing is lost whole, or none could be counted.
    rank = (~empty).float() + 2 * middle + 1.2 * torch.rand(empty.shape, device=labels.device)
    return rank.topk(min(most, patches), dim=1).indices.sort(dim=1).values


def _empty(labels: Tensor) -> Tensor:
    """Whether patches [batch, patches] show neither a thing nor a mark."""
    nothing, unmarked = TARGETS[_THING].values, TARGETS[_INK].values
    return (labels[:, _THING] == nothing) & (labels[:, _INK] == unmarked)


def _of_patches(labels: Tensor, kept: Tensor) -> Tensor:
    """[batch, targets, patches] -> those of the kept patches."""
    return _at(labels.transpose(1, 2), kept).transpose(1, 2)


def _at(values: Tensor, kept: Tensor) -> Tensor:
    """[batch, patches, width] -> the kept patches."""
    return values.gather(1, kept[..., None].expand(-1, -1, values.shape[-1]))


def normalized(pixels: Tensor) -> Tensor:
    """uint8 [batch, 3, side, side] -> float32, as the processor scales it."""
    mean = torch.tensor(OPENAI_CLIP_MEAN, device=pixels.device).view(3, 1, 1)
    deviation = torch.tensor(OPENAI_CLIP_STD, device=pixels.device).view(3, 1, 1)
    return pixels.float().sub_(255 * mean).div_(255 * deviation)


def _small_weights(tower: Any) -> None:
    """CLIP's own start is made for wide towers; this one learns sooner from the usual 0.02."""
    depth = len(tower.encoder.layers)
    for name, weight in tower.named_parameters():
        if weight.ndim >= 2:
            out = name.endswith(("out_proj.weight", "fc2.weight"))
            nn.init.normal_(weight, std=0.02 / (2 * depth) ** 0.5 if out else 0.02)
