"""What people type as a model's name: spellings to accept, and the next step for all others."""

import difflib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vipllava_cli.engine.hub.families import FAMILIES, family_names
from vipllava_cli.engine.hub.registry import BUNDLED, PUBLISHED
from vipllava_cli.errors import short_name, short_repr
from vipllava_cli.storage.similar_names import find_similar

SHORT_NAMES = (*BUNDLED, *PUBLISHED)
USE_INSTEAD = f"use {' or '.join(PUBLISHED)}, or {' or '.join(BUNDLED)} for clip-art"
_SUFFIXES = (".gguf", ".safetensors", ".bin", ".pth", ".pt", ".ckpt", ".json")

_HUB_PAGE = re.compile(
    r"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/(?!(?:datasets|spaces|docs|papers)/)"
    r"([\w.-]+/[\w.-]+)(?:/(?:tree|blob|resolve)/([\w.-]+).*)?/?(?:\?.*)?",
    re.ASCII,
)


@dataclass(frozen=True)
class Kind:
    """A kind of name that is no model of this program: how it looks, and what to do.

    `advice` receives the match; it continues `NAME …`.
    """

    pattern: re.Pattern[str]
    advice: Callable[[re.Match[str]], str]


def canonical_name(name: str) -> str:
    """Return the name that the program uses for what the user typed.

    Short names may be in capitals, and a page of the hub stands for its model. An existing folder
    overrides both.
    """
    typed = name.strip()
    expanded = os.path.expanduser(typed) if typed.startswith("~/") else typed
    if name in SHORT_NAMES or os.path.isdir(name):
        return name
    if os.path.isdir(expanded):
        return expanded
    if typed.lower() in SHORT_NAMES:
        return typed.lower()
    page = _HUB_PAGE.fullmatch(typed)
    return page[1] if page and page[2] in {None, "main"} else name


def explain_unknown(name: str) -> str:
    """Return the message for a name that is neither a short name, nor on the hub, nor a folder."""
    if os.path.isfile(name):
        return _explain_file(Path(name))
    advice = _find_advice(_UNKNOWN_KINDS, name)
    if advice:
        return f"{name} {advice}"
    expected = (
        f"expected {', '.join(SHORT_NAMES)}, a hub name like owner/name, a folder, or a server named"
        " with `vipllava models add`"
    )
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        return f"there is no folder {short_name(name)}: {expected}"
    similar = suggest(name)
    advice = "" if similar else _find_advice(_SHORT_KINDS, name)
    if advice:
        return f"{name} {advice}"
    example = "" if similar else _example_of(name)
    if example:
        return f"{name} is no name on the hub, because it has no owner: use {example}, for example"
    hint = f" (did you mean {similar}?)" if similar else ""
    return f"there is no model {short_repr(name)}{hint}: {expected}"


def explain_absent(repository: str) -> str:
    """Return what to do about a hub name that is not on this machine, if its name tells.

    Empty for all others: only a download shows what they are.
    """
    return _find_advice(_HUB_KINDS, repository)


def suggest(name: str) -> str:
    """Return the known name that is most similar to what the user typed, or an empty text."""
    typed = re.sub(r"[^a-z0-9]", "", name.lower())
    if typed in _OTHER_SPELLINGS:
        return _OTHER_SPELLINGS[typed]
    if "vip" not in typed and _example_of(name):  # a model of another family, and no misspelling
        return ""
    known = [*SHORT_NAMES, *(published.repository for published in PUBLISHED.values())]
    cutoff = 0.85 if "/" in name else 0.6
    return next(iter(difflib.get_close_matches(name.lower(), known, 1, cutoff)), "")


def similar_folder(name: str) -> str:
    """Return the folder of a model whose path is most similar to OWNER/NAME, or an empty text."""
    owner, inner = os.path.split(name)
    parent = owner if os.path.isdir(owner) else find_similar(owner)
    if not parent:
        return ""
    folder = os.path.join(parent, inner)
    found = folder if os.path.isdir(folder) else find_similar(folder)
    return found if found and os.path.isfile(os.path.join(found, "config.json")) else ""


def explain_no_config(folder: Path, name: str) -> str:
    """Return the message for a folder without config.json, by the files that are in it."""
    try:
        files = sorted(path.name for path in folder.iterdir())
    except OSError:
        files = []
    nested = [file for file in files if (folder / file / "config.json").is_file()]
    snapshots = sorted(path.parent for path in folder.glob("snapshots/*/config.json"))
    if nested or snapshots:
        inner = snapshots[-1] if snapshots else folder / nested[0]
        return f"{name} is not a model folder, but {inner} in it is one: use that"
    return _explain_contents(files, name) or (
        f"{name} is not a model folder: config.json is missing from {folder}; {USE_INSTEAD}"
    )


def explain_no_config_on_hub(files: Sequence[str], name: str) -> str:
    """Return the message for a repository without config.json, by the files that are in it."""
    return _explain_contents(files, name) or f"{name} has no config.json on the hub: {USE_INSTEAD}"


def _explain_contents(files: Sequence[str], name: str) -> str:
    """Return what is wrong with files among which config.json is missing, or an empty text."""
    for ending, advice in _FOLDER_CONTENTS.items():
        if any(file.endswith(ending) for file in files):
            return f"{name} {advice}"
    return ""


def explain_model_type(model_type: object, config: Mapping[str, object]) -> str:
    """Return what another architecture is, and what to use instead; it continues `NAME …`."""
    if "mm_vision_tower" in config or model_type in ("llava_llama", "vip_llava"):
        return f"has the original format of LLaVA, which is not loaded: {_CONVERTED}"
    reason = ""
    if model_type in _TEXT_TYPES:
        reason = ", which reads no images"
    elif config.get("auto_map"):
        reason = " and needs code of the checkpoint (auto_map), which is never run"
    return (
        f"has the model type {short_repr(model_type)}{reason}: expected a checkpoint of"
        f" {family_names()}; {USE_INSTEAD}"
    )


def _find_advice(kinds: tuple[Kind, ...], name: str) -> str:
    for kind in kinds:
        match = kind.pattern.fullmatch(name)
        if match:
            return kind.advice(match)
    return ""


def _explain_file(path: Path) -> str:
    if path.suffix in _SUFFIXES and (path.parent / "config.json").is_file():
        return f"{path} is a file of a model: use its folder, {path.parent}"
    return _explain_contents([path.name], str(path)) or (
        f"{path} is a file, and a model is a folder or a name: {USE_INSTEAD}"
    )


# --- the tables ------------------------------------------------------------------------------

_CONVERTED = "use " + " or ".join(
    f"{name} (the same model in the format of transformers, {published.repository})"
    if number == 0
    else f"{name} ({published.repository})"
    for number, (name, published) in enumerate(PUBLISHED.items())
)

# The letters and digits of other spellings -> the short name.
_OTHER_SPELLINGS: Mapping[str, str] = {
    **{
        f"{family}{name}": name for name in PUBLISHED for family in ("vipllava", "vip", "llava", "")
    },
    **{f"vipllava{name}hf": name for name in PUBLISHED},
    **{name.removesuffix("b"): name for name in PUBLISHED},
    "vipllava": "7b",
    "vipllavahf": "7b",
    "default": "tiny",
    "vipllavatiny": "tiny",
    "tinyvipllava": "tiny",
}

# What a name contains -> a model of that family on the hub. The first row that fits counts.
_EXAMPLES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE | re.ASCII), example)
    for pattern, example in (
        ("onevision", FAMILIES["llava_onevision"].example),
        (r"llava-?(?:next|v?1\.6)", FAMILIES["llava_next"].example),
        ("llava", FAMILIES["llava"].example),
        (r"qwen-?2\.5", FAMILIES["qwen2_5_vl"].example),
        (r"qwen-?2", FAMILIES["qwen2_vl"].example),
        ("qwen", FAMILIES["qwen3_vl"].example),
        ("internvl", FAMILIES["internvl"].example),
        ("smolvlm", FAMILIES["smolvlm"].example),
        ("idefics-?3", FAMILIES["idefics3"].example),
        ("paligemma", FAMILIES["paligemma"].example),
        ("gemma", FAMILIES["gemma3"].example),
        (r"glm-?4\.[56]v", FAMILIES["glm46v"].example),
        (r"glm-?4", FAMILIES["glm4v"].example),
        ("pixtral", "mistral-community/pixtral-12b"),
        ("mistral", FAMILIES["mistral3"].example),
        ("llama-?4", FAMILIES["llama4"].example),
        ("llama", FAMILIES["mllama"].example),
    )
)
_TEXT_TYPES = {
    *(kind for family in FAMILIES.values() for kind in family.text_types),
    *("cohere", "deepseek_v3", "gemma3_text", "gpt2", "gpt_oss", "llama4_text", "mixtral", "phi"),
} - FAMILIES.keys()

# How the name of a family that is not supported starts -> its usual spelling.
_OTHERS: Mapping[str, str] = {
    "phi": "Phi",
    "molmo": "Molmo",
    "blip": "BLIP",
    "instructblip": "InstructBLIP",
    "florence": "Florence",
    "moondream": "Moondream",
    "minicpm": "MiniCPM",
    "clip": "CLIP",
}

_HOSTED_ADVICE = (
    "runs on its maker's servers: name it with `vipllava models add NAME --url URL --model MODEL`, and"
    f" use that name; on this machine, {USE_INSTEAD}"
)
_HOSTED = (
    r"(?:(?:openai|anthropic|google|xai|x-ai|mistralai)/)?"
    r"(?:chat-?gpt|gpt-?\d|o[134](?:$|-)|claude|gemini|grok|mistral-(?:large|medium)|qwen-vl-"
    r"(?:max|plus)|nova-(?:lite|pro)).*"
)
_OLLAMA = r"(?:ollama/.+|(?!https?:)[\w.-]+:[\w.-]+)"
_OLLAMA_ADVICE = (
    "is a name of Ollama: name its server with `vipllava models add NAME --url"
    f" http://localhost:11434/v1 --model MODEL`, and use that name; on this machine, {USE_INSTEAD}"
)
_OTHER_FAMILIES = r"(phi-?\d|molmo|blip|instructblip|florence|moondream|minicpm|clip)"
_OTHER_HUB_NAMES = r"[\w.-]+/(?!.*vip).*?" + _OTHER_FAMILIES + ".*"
_OTHER_SHORT_NAMES = r"(?!.*vip)" + _OTHER_FAMILIES + r"[\w.-]*"


def _other_architecture(match: re.Match[str]) -> str:
    word = match[1].lower()
    family = next((text for start, text in _OTHERS.items() if word.startswith(start)), match[1])
    return (
        f"looks like another architecture ({family}): expected a checkpoint of {family_names()};"
        f" {USE_INSTEAD}"
    )


def _example_of(name: str) -> str:
    """Return a model on the hub of the family that a name contains, or an empty text."""
    return next((example for pattern, example in _EXAMPLES if pattern.search(name)), "")


def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.ASCII)


# Names that cannot be on the hub. The first kind that fits decides.
_UNKNOWN_KINDS: tuple[Kind, ...] = (
    Kind(
        _HUB_PAGE,
        lambda match: f"is a page of the hub: use {match[1]} --revision {match[2]}",
    ),
    Kind(
        _compile(r"[a-z+]+://.*|(?:www\.|huggingface\.co|hf\.co).*"),
        lambda match: (
            "is not the page of a model on the hub: expected https://huggingface.co/OWNER/NAME; "
            + USE_INSTEAD
        ),
    ),
    Kind(_compile(_HOSTED), lambda match: _HOSTED_ADVICE),
    Kind(_compile(_OLLAMA), lambda match: _OLLAMA_ADVICE),
)

# Names without an owner, of which none is similar to a known name.
_SHORT_KINDS: tuple[Kind, ...] = (Kind(_compile(_OTHER_SHORT_NAMES), _other_architecture),)

# Hub names whose owner or name tells that they are no model of this program.
_HUB_KINDS: tuple[Kind, ...] = (
    Kind(_compile(_HOSTED), lambda match: _HOSTED_ADVICE),
    Kind(_compile(_OLLAMA), lambda match: _OLLAMA_ADVICE),
    Kind(
        _compile(r"mucai/vip-?llava.*"),
        lambda match: f"has the original format of LLaVA, which is not loaded: {_CONVERTED}",
    ),
    Kind(
        _compile(r"(opengvlab/internvl[\w.-]*)(?<!-hf)"),
        lambda match: (
            "looks like the original format of InternVL, which needs code of the checkpoint: use"
            f" {match[1]}-hf"
        ),
    ),
    Kind(_compile(_OTHER_HUB_NAMES), _other_architecture),
)

# How a file's name ends -> what is wrong with a folder that holds it and no config.json.
_FOLDER_CONTENTS: Mapping[str, str] = {
    "adapter_config.json": (
        "holds only a LoRA adapter: merge it into its model (merge_and_unload of PEFT), save the"
        " result, and use that folder"
    ),
    ".gguf": f"holds weights of llama.cpp (GGUF), which are not loaded: {USE_INSTEAD}",
    "model_index.json": f"holds a model that draws images (Diffusers): {USE_INSTEAD}",
    ".safetensors": (
        "holds weights, but config.json is missing: put all files of the checkpoint into one folder"
        " and use that"
    ),
    ".bin": f"holds pickle weights, which can run code and are not loaded: {USE_INSTEAD}",
    ".pth": f"holds pickle weights, which can run code and are not loaded: {USE_INSTEAD}",
    ".pt": f"holds pickle weights, which can run code and are not loaded: {USE_INSTEAD}",
    ".ckpt": f"holds pickle weights, which can run code and are not loaded: {USE_INSTEAD}",
}
