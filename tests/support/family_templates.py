"""Chat templates of model families: the tokens and the layout of published ones, in our own words."""

from collections.abc import Mapping

# `content(message, image)` writes the parts of a message, with `image` for each image.
_CONTENT = """\
{%- macro content(message, image) -%}
{%- if message.content is string -%}{{ message.content }}{%- else -%}
{%- for part in message.content -%}
{%- if part.type == 'image' -%}{{ image }}{%- elif part.type == 'text' -%}{{ part.text }}{%- endif -%}
{%- endfor -%}
{%- endif -%}
{%- endmacro -%}
"""


def _chatml(image: str, system: str = "", after_role: str = "\\n") -> str:
    """Return a template with `<|im_start|>` and `<|im_end|>`. `system` is the default system message."""
    default = (
        "{%- if messages[0].role != 'system' -%}"
        f"{{{{ '<|im_start|>system\\n{system}<|im_end|>\\n' }}}}"
        "{%- endif -%}"
    )
    return (
        _CONTENT
        + (default if system else "")
        + "{%- for message in messages -%}"
        + f"{{{{ '<|im_start|>' + message.role + '{after_role}' }}}}{{{{ content(message, '{image}') }}}}"
        + "{{ '<|im_end|>\\n' }}"
        + "{%- endfor -%}"
        + "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}"
    )


_LLAVA = (
    _CONTENT
    + """\
{%- for message in messages -%}
{{ {'user': 'USER: ', 'assistant': 'ASSISTANT: ', 'system': ''}[message.role] }}
{%- for part in message.content | selectattr('type', 'equalto', 'image') -%}
{{ '<image>\\n' }}
{%- endfor -%}
{%- for part in message.content | selectattr('type', 'equalto', 'text') -%}
{%- if message.role == 'assistant' -%}
{% generation %}{{ part.text + ' ' }}{% endgeneration %}
{%- else -%}
{{ part.text + ' ' }}
{%- endif -%}
{%- endfor -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ 'ASSISTANT:' }}{%- endif -%}
"""
)
_LLAVA_NEXT = (
    _CONTENT
    + """\
{%- for message in messages -%}
{%- if message.role == 'user' -%}
{{ '[INST] ' }}{{ content(message, '<image>\\n') }}{{ ' [/INST]' }}
{%- else -%}
{{ ' ' }}{{ content(message, '') }}{{ '</s> ' }}
{%- endif -%}
{%- endfor -%}
"""
)
_SMOLVLM = """\
<|im_start|>{% for message in messages %}{{ message.role | capitalize }}\
{% if message.content[0].type == 'image' %}{{ ':' }}{% else %}{{ ': ' }}{% endif %}\
{% for part in message.content %}{% if part.type == 'text' %}{{ part.text }}\
{% elif part.type == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}<end_of_utterance>
{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"""
_GEMMA = (
    _CONTENT
    + """\
{{ bos_token }}
{%- for message in messages -%}
{%- if (message.role == 'user') != (loop.index0 % 2 == 0) -%}
{{ raise_exception('The roles must alternate: user, assistant, user') }}
{%- endif -%}
{{ '<start_of_turn>' + ('model' if message.role == 'assistant' else message.role) + '\\n' }}
{{- content(message, '<start_of_image>') | trim }}{{ '<end_of_turn>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<start_of_turn>model\\n' }}{%- endif -%}
"""
)
_PIXTRAL = (
    _CONTENT
    + """\
{{ bos_token }}
{%- for message in messages -%}
{%- if message.role == 'user' -%}
{{ '[INST]' }}{{ content(message, '[IMG]') }}{{ '[/INST]' }}
{%- else -%}
{{ content(message, '') }}{{ eos_token }}
{%- endif -%}
{%- endfor -%}
"""
)
_MISTRAL3 = _PIXTRAL.replace(
    "{{ bos_token }}\n",
    """\
{%- set today = strftime_now('%Y-%m-%d') -%}
{{ bos_token }}
{%- if messages[0].role != 'system' -%}
{{ '[SYSTEM_PROMPT]You know the date: ' + today + '.[/SYSTEM_PROMPT]' }}
{%- endif -%}
""",
)
_HEADERS = (
    _CONTENT
    + """\
{{ bos_token }}
{%- for message in messages -%}
{{ 'START' + message.role + 'END\\n\\n' }}{{ content(message, '<|image|>') | trim }}{{ 'STOP' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ 'STARTassistantEND\\n\\n' }}{%- endif -%}
"""
)


def _headers(start: str, end: str, stop: str) -> str:
    """Return a template of Llama 3 and later, whose roles are between two tokens."""
    return _HEADERS.replace("START", start).replace("END", end).replace("STOP", stop)


_GLM = (
    "[gMASK]<sop>"
    + _CONTENT
    + """\
{%- for message in messages -%}
{{ '<|' + message.role + '|>\\n' }}
{{- content(message, '<|begin_of_image|><|image|><|end_of_image|>') }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|assistant|>\\n' }}{%- endif -%}
"""
)
_AYA = (
    _CONTENT
    + """\
{{ bos_token }}
{%- for message in messages -%}
{{ '<|START_OF_TURN_TOKEN|>' + ('<|USER_TOKEN|>' if message.role == 'user' else '<|CHATBOT_TOKEN|>') }}
{%- if message.role == 'assistant' -%}{{ '<|START_RESPONSE|>' }}{%- endif -%}
{{ content(message, '<image>') }}
{%- if message.role == 'assistant' -%}{{ '<|END_RESPONSE|>' }}{%- endif -%}
{{ '<|END_OF_TURN_TOKEN|>' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{ '<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|><|START_RESPONSE|>' }}
{%- endif -%}
"""
)

_HELPFUL = "You are a helpful assistant."
_QWEN_IMAGE = "<|vision_start|><|image_pad|><|vision_end|>"

# The chat template of each family, by its name.
TEMPLATES: Mapping[str, str] = {
    "llava": _LLAVA,
    "llava_next": _LLAVA_NEXT,
    "llava_onevision": _chatml("<image>\\n", after_role=" "),
    "qwen2_vl": _chatml(_QWEN_IMAGE, _HELPFUL),
    "qwen2_5_vl": _chatml(_QWEN_IMAGE, _HELPFUL),
    "qwen3_vl": _chatml(_QWEN_IMAGE),
    "qwen3_vl_moe": _chatml(_QWEN_IMAGE),
    "internvl": _chatml("<IMG_CONTEXT>\\n"),
    "ovis2": _chatml("<image>\\n", _HELPFUL),
    "smolvlm": _SMOLVLM,
    "idefics3": _SMOLVLM.replace("<|im_start|>", "<|begin_of_text|>"),
    "gemma3": _GEMMA,
    "pixtral": _PIXTRAL,
    "mistral3": _MISTRAL3,
    "llama4": _headers("<|header_start|>", "<|header_end|>", "<|eot|>"),
    "mllama": _headers("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
    "glm4v": _GLM,
    "glm46v": _GLM,
    "aya_vision": _AYA,
}
