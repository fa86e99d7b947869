"""The tokenizers of model families in small: their special tokens, in the order of their ids."""

from tests.support.family_tokenizers import TokenizerLayout


def _roles(**tokens: str) -> dict[str, str]:
    return {f"{role}_token": token for role, token in tokens.items()}


_LLAMA2_ROLES = _roles(bos="<s>", eos="</s>", unk="<unk>", pad="<pad>")
LLAMA2 = TokenizerLayout(
    "llama2",
    ("<unk>", "<s>", "</s>"),
    ("<image>", "<pad>"),
    _LLAMA2_ROLES | _roles(image="<image>"),
    puts_bos_first=True,
)
_QWEN_TOKENS = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>",
    "<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>",
    "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>",
)  # fmt: skip
_QWEN_ROLES = _roles(eos="<|im_end|>", pad="<|endoftext|>")
QWEN = TokenizerLayout("qwen2", (), _QWEN_TOKENS, _QWEN_ROLES)
ONEVISION = TokenizerLayout(
    "qwen2",
    (),
    ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>", "<video>"),
    _QWEN_ROLES | _roles(image="<image>", video="<video>"),
)
INTERNVL = TokenizerLayout(
    "qwen2",
    (),
    (
        *_QWEN_TOKENS, "<img>", "</img>", "<IMG_CONTEXT>", "<quad>", "</quad>", "<ref>", "</ref>",
        "<box>", "</box>",
    ),
    _QWEN_ROLES
    | _roles(
        start_image="<img>", end_image="</img>", context_image="<IMG_CONTEXT>", video="<video>"
    ),
)  # fmt: skip
OVIS = TokenizerLayout(
    "qwen2",
    (),
    (
        "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>", "<IMG_START>", "<IMG_GRID>",
        "<IMG_COL>", "<IMG_ROW>", "<IMG_END>", "<IMG_ATOM>",
    ),
    _QWEN_ROLES,
)  # fmt: skip
_ROWS = tuple(f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7))
_IDEFICS_TOKENS = ("<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>")
SMOLVLM = TokenizerLayout(
    "digits",
    ("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
    (*_ROWS, *_IDEFICS_TOKENS, "<video>"),
    _roles(bos="<|im_start|>", eos="<end_of_utterance>", pad="<|im_end|>", unk="<|endoftext|>")
    | _roles(
        image="<image>",
        fake_image="<fake_token_around_image>",
        global_image="<global-img>",
        end_of_utterance="<end_of_utterance>",
    ),
)
IDEFICS3 = TokenizerLayout(
    "llama3",
    (),
    (
        "<|begin_of_text|>", "<|end_of_text|>", "<|finetune_right_pad_id|>", "<|eot_id|>",
        *_IDEFICS_TOKENS, *_ROWS,
    ),
    _roles(bos="<|begin_of_text|>", eos="<end_of_utterance>", pad="<|finetune_right_pad_id|>"),
    puts_bos_first=True,
)  # fmt: skip
_GEMMA_TOKENS = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>")
_GEMMA_ROLES = _roles(bos="<bos>", eos="<eos>", pad="<pad>", unk="<unk>")
GEMMA3 = TokenizerLayout(
    "gemma",
    _GEMMA_TOKENS,
    (
        "<start_of_turn>", "<end_of_turn>", "<start_of_image>", "<end_of_image>",
        "<image_soft_token>",
    ),
    _GEMMA_ROLES
    | _roles(boi="<start_of_image>", eoi="<end_of_image>", image="<image_soft_token>"),
    puts_bos_first=True,
)  # fmt: skip
PALIGEMMA = TokenizerLayout(
    "gemma",
    _GEMMA_TOKENS,
    (
        *(f"<loc{number:04}>" for number in range(1024)),
        *(f"<seg{number:03}>" for number in range(128)),
        "<image>",
    ),
    _GEMMA_ROLES | _roles(image="<image>"),
    puts_bos_first=True,
    plain=(r"<loc\d", r"<seg\d"),
)
TEKKEN = TokenizerLayout(
    "tekken",
    (
        "<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]",
        "[TOOL_RESULTS]", "[/TOOL_RESULTS]", "[TOOL_CALLS]", "[IMG]", "<pad>", "[IMG_BREAK]",
        "[IMG_END]", "[PREFIX]", "[MIDDLE]", "[SUFFIX]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]",
    ),
    (),
    _LLAMA2_ROLES,
    puts_bos_first=True,
)  # fmt: skip
LLAMA4 = TokenizerLayout(
    "llama4",
    (),
    (
        "<|begin_of_text|>", "<|end_of_text|>", "<|header_start|>", "<|header_end|>", "<|eom|>",
        "<|eot|>", "<|image_start|>", "<|image_end|>", "<|tile_x_separator|>",
        "<|tile_y_separator|>", "<|image|>", "<|patch|>", "<|finetune_right_pad|>",
    ),
    _roles(bos="<|begin_of_text|>", eos="<|eot|>", pad="<|finetune_right_pad|>"),
    puts_bos_first=True,
)  # fmt: skip
MLLAMA = TokenizerLayout(
    "llama3",
    (),
    (
        "<|begin_of_text|>", "<|end_of_text|>", "<|finetune_right_pad_id|>",
        "<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>", "<|eot_id|>", "<|python_tag|>",
        "<|image|>",
    ),
    _roles(bos="<|begin_of_text|>", eos="<|eot_id|>", pad="<|finetune_right_pad_id|>"),
    puts_bos_first=True,
)  # fmt: skip
GLM = TokenizerLayout(
    "llama3",
    (),
    (
        "<|endoftext|>", "[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>", "<|system|>", "<|user|>",
        "<|assistant|>", "<|observation|>", "<|begin_of_image|>", "<|end_of_image|>",
        "<|begin_of_video|>", "<|end_of_video|>", "<|image|>", "<|video|>",
    ),
    _roles(eos="<|endoftext|>", pad="<|endoftext|>"),
)  # fmt: skip
AYA = TokenizerLayout(
    "digits",
    ("<PAD>", "<UNK>", "<BOS_TOKEN>", "<EOS_TOKEN>"),
    (
        "<|START_OF_TURN_TOKEN|>", "<|END_OF_TURN_TOKEN|>", "<|USER_TOKEN|>", "<|CHATBOT_TOKEN|>",
        "<|SYSTEM_TOKEN|>", "<|START_RESPONSE|>", "<|END_RESPONSE|>", "<|START_OF_IMG|>",
        "<|END_OF_IMG|>", "<|IMG_PATCH|>", "<|IMG_LINE_BREAK|>", "<image>", "TILE_GLOBAL",
        *(f"TILE_{number}" for number in range(1, 13)),
    ),
    _roles(bos="<BOS_TOKEN>", eos="<|END_OF_TURN_TOKEN|>", pad="<PAD>", unk="<UNK>"),
    puts_bos_first=True,
)  # fmt: skip
