"""Check that images reach the model behind a server: some gateways drop them and answer all the same.

Proof is a larger number of prompt tokens with an image than without it, or a number in an image that
the model reads.
"""

import hashlib
import re
import secrets
import threading
from collections.abc import Callable
from dataclasses import replace
from queue import SimpleQueue

from PIL import Image, ImageDraw, ImageFont

from vipllava_cli.engine.base import ModelView
from vipllava_cli.engine.options import GREEDY
from vipllava_cli.engine.server.completion import Completion
from vipllava_cli.engine.server.encoded_image import encode
from vipllava_cli.engine.server.engine import ServerEngine, parameters, user_message
from vipllava_cli.errors import GenerationError, ModelError
from vipllava_cli.storage.daily_stamp import is_stamped, stamp

_QUESTION = "Which number does the image show? Answer with its digits only."
# Prompt tokens: words that stand for a dropped image take up to about 30, the smallest images 64.
_MIN_IMAGE_TOKENS = 40
_SIDE = 448  # pixels
_OPTIONS = replace(GREEDY, max_new_tokens=64)


def check_images_once_a_day(engine: ServerEngine) -> None:
    """Check that images arrive, unless a check of today passed. Raises ModelError."""
    server = engine.client.server
    name = f"{server.url}\n{server.model}"
    name = f"image-check-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
    if not is_stamped(name):
        check_images(engine)
        stamp(name)


class CheckInBackground:
    """The check of images, which runs while rows are prepared. No row is asked before it passes."""

    def __init__(self, engine: ServerEngine) -> None:
        self._engine = engine
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Wait for the check. Raises what it raised, in each thread that waits."""
        self._thread.join()
        if isinstance(self._error, ModelError):
            raise ModelError(str(self._error))
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            check_images_once_a_day(self._engine)
        except BaseException as error:
            self._error = error


def check_images(engine: ServerEngine) -> str:
    """Return how images are known to arrive. Raises ModelError if nothing shows that they do."""
    number = str(secrets.randbelow(90_000) + 10_000)
    view = ModelView(encode(_draw(number)))
    model = engine.info.name
    try:
        with_image, without = _ask_both(engine, view)
        if number in re.sub(r"\D", "", with_image.text):
            return "it reads a number in an image"
        counted = with_image.prompt_tokens
        added = counted - without().prompt_tokens if counted else 0
    except GenerationError as error:
        raise ModelError(f"{model} cannot be asked about an image: {error}") from None
    if added >= _MIN_IMAGE_TOKENS:
        return f"an image adds {added} prompt tokens"
    tokens = f"an image adds {added} prompt tokens, and " if counted else ""
    read = f"it read {with_image.text[:40]!r}" if with_image.text else "it read nothing"
    raise ModelError(
        f"images do not reach {model} at {engine.info.revision}: {tokens}{read} where the image"
        f" shows {number}; choose a model that sees images, or skip this check with"
        " --no-image-check"
    )


def _ask_both(engine: ServerEngine, view: ModelView) -> tuple[Completion, Callable[[], Completion]]:
    """Ask with the image, and without it: at the same time if the engine takes two requests at a time.

    Returns the first reply, and a function that returns the second one. Raises GenerationError,
    ModelError.
    """
    if engine.parallel == 1:
        return _ask(engine, view), lambda: _ask(engine, None)
    outcome: SimpleQueue[Completion | BaseException] = SimpleQueue()

    def ask_without() -> None:
        try:
            outcome.put(_ask(engine, None))
        except BaseException as error:
            outcome.put(error)

    def without() -> Completion:
        found = outcome.get()
        if isinstance(found, BaseException):
            raise found
        return found

    threading.Thread(target=ask_without, daemon=True).start()
    return _ask(engine, view), without


def _ask(engine: ServerEngine, view: ModelView | None) -> Completion:
    completion, _ = engine.request(
        lambda side: [user_message(_QUESTION, view, side)], parameters(_OPTIONS)
    )
    return completion


def _draw(number: str) -> Image.Image:
    """Draw a number in black on white, as large as fits."""
    image = Image.new("RGB", (_SIDE, _SIDE), "white")
    font = ImageFont.load_default(size=130)
    ImageDraw.Draw(image).text((_SIDE // 2, _SIDE // 2), number, "black", font, anchor="mm")
    return image
