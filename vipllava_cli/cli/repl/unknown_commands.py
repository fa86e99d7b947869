"""What other chats call the commands: other names of ours, and advice for what does not exist here."""

import re
from collections.abc import Collection, Mapping

from vipllava_cli.cli.repl.settings import SETTINGS
from vipllava_cli.cli.suggestions import near
from vipllava_cli.errors import short_repr

LEAVE = "/exit"

# Words that are a command if the line consists of nothing else.
BARE_WORDS: Mapping[str, str] = {
    **dict.fromkeys(("exit", "quit", "bye", "exit()", "quit()", ":q", ":q!", ":wq"), LEAVE),
    **dict.fromkeys(("help", "?", "help()"), "/help"),
}

# The same command under the name of another chat.
OTHER_NAMES: Mapping[str, str] = {
    **dict.fromkeys(("/bye", "/q", "/quit"), LEAVE),
    **dict.fromkeys(("/?", "/h", "/commands"), "/help"),
    **dict.fromkeys(("/clear", "/new"), "/reset"),
    **dict.fromkeys(("/regen", "/regenerate"), "/retry"),
    "/continue": "/more",
    "/open": "/image",
    "/resume": "/load",
}

_QUOTES_ADVICE = '""" before and after a question lets it have several lines'

# Advice for commands of other chats that have no counterpart, or one that is written differently.
_ADVICE: Mapping[str, str] = {
    "/system": "the system sentence of the model is fixed; write instructions into the question",
    **dict.fromkeys(
        ("/model", "/models"),
        "/stats names the model; `vipllava chat IMAGE --model NAME` starts another",
    ),
    "/stop": "Ctrl-C stops an answer; /exit leaves",
    "/upload": "did you mean /image?",
    "/add": "did you mean /image?",
    "/history": "/save FILE writes the conversation to a file",
    "/multi": _QUOTES_ADVICE,
    "/multiline": _QUOTES_ADVICE,
    "/edit": _QUOTES_ADVICE,
    "/editor": _QUOTES_ADVICE,
    "/info": "did you mean /stats?",
    "/tokens": "did you mean /stats?",
    "/settings": "did you mean /set?",
    "/config": "did you mean /set?",
    "/export": "did you mean /save?",
    "/remove": "did you mean /unmark?",
    "/delete": "did you mean /unmark?",
    "/circle": "did you mean /ellipse?",
    "/oval": "did you mean /ellipse?",
    "/rect": "did you mean /box?",
    "/rectangle": "did you mean /box?",
    "/polygon": "did you mean /mask or /contour?",
}


def explain_unknown(name: str, argument: str, commands: Collection[str]) -> str:
    """Say what to write instead of a command that does not exist."""
    if "/" in name[1:]:  # the path of an image, perhaps
        return f"unknown command, and no such file: {short_repr(name)}"
    return f"unknown command {short_repr(name)}: {_advice(name.lower(), argument, commands)}"


def _advice(name: str, argument: str, commands: Collection[str]) -> str:
    if name == "/":
        return "the name follows the slash at once; /help lists the commands"
    if name in _ADVICE:
        return _ADVICE[name]
    setting = name[1:].replace("_", "-")
    if setting in SETTINGS:
        return f"did you mean /set {setting} {argument or 'VALUE'}?"
    joined = next((each for each in commands if re.match(rf"{each}[^a-z]", name)), None)
    if joined:
        return f"did you mean {joined} {name[len(joined) :]}?"
    similar = near(name[1:], [known[1:] for known in (*commands, *OTHER_NAMES)])
    if similar:
        return f"did you mean {OTHER_NAMES.get(f'/{similar}', f'/{similar}')}?"
    return "/help lists the commands"
