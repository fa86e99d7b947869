"""The engine of a model on a server."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vipllava_cli.engine.base import SERVER, Answer, ModelInfo, ModelView, Prompt, Usage
from vipllava_cli.engine.options import (
    DEFAULT_TEMPLATE,
    GREEDY,
    GenerationOptions,
    TemplateName,
)
from vipllava_cli.engine.server.choices import (
    TOP_TOKENS,
    ask_for_choice,
    find_choice,
    has_usable_probabilities,
    score_choices,
)
from vipllava_cli.engine.server.client import ServerClient
from vipllava_cli.engine.server.completion import Completion
from vipllava_cli.engine.server.config import ServerModel
from vipllava_cli.engine.server.encoded_image import EncodedImage, encode
from vipllava_cli.engine.server.reply import Reply
from vipllava_cli.engine.server.shown_text import ShownText
from vipllava_cli.errors import GenerationError, UsageError, short_repr

if TYPE_CHECKING:
    from PIL import Image

    from vipllava_cli.engine.server.conversation import ServerConversation

PARALLEL = 4

Message = dict[str, Any]


def info_of(server: ServerModel) -> ModelInfo:
    """Return the model as records name it. A server does not say what its model sees."""
    return ModelInfo(server.model, server.shown_url, SERVER, "", family=server.model)


class ServerEngine:
    """Implements `Engine` with requests to a server."""

    def __init__(self, client: ServerClient, parallel: int = PARALLEL) -> None:
        self.client = client
        self.parallel = parallel
        self.info = info_of(client.server)
        self.wait_until_checked: Callable[[], None] = lambda: None  # see `CheckInBackground`
        self._lock = threading.Lock()
        self._prompt_tokens = self._answer_tokens = 0

    @property
    def usage(self) -> Usage:
        """See `Engine.usage`."""
        prompt, answer = self._prompt_tokens, self._answer_tokens
        prices = self.client.server.prices
        return Usage(prompt, answer, prices.cost(prompt, answer) if prices else None)

    def view(self, image: "Image.Image") -> ModelView:
        """See `Engine.view`. The server's own processor resizes the image."""
        return ModelView(encode(image))

    def prompt(self, view: ModelView, question: str, template: str = DEFAULT_TEMPLATE) -> Prompt:
        """See `Engine.prompt`. The server tokenizes: the prompt has no ids."""
        check_template(template, self.info.name)
        return Prompt(view, (), question)

    def answer(
        self,
        prompts: Sequence[Prompt],
        options: GenerationOptions = GREEDY,
        on_text: Callable[[str], None] | None = None,
    ) -> Iterator[Answer]:
        """See `Engine.answer`."""
        for prompt in prompts:
            yield self._answer(prompt, options, on_text)

    def answer_batch(
        self, prompts: Sequence[Prompt], options: GenerationOptions = GREEDY
    ) -> list[Answer]:
        """See `Engine.answer_batch`. Sends one request after the other."""
        return [self._answer(prompt, options) for prompt in prompts]

    def answer_each(
        self, prompts: Sequence[Prompt], options: Sequence[GenerationOptions]
    ) -> list[Answer]:
        """See `Engine.answer_each`. Sends one request after the other."""
        return [self._answer(*pair) for pair in zip(prompts, options, strict=True)]

    def start_conversation(self) -> "ServerConversation":
        """See `Engine.start_conversation`."""
        from vipllava_cli.engine.server.conversation import ServerConversation

        return ServerConversation(self)

    def max_batch_size(self) -> int:
        """See `Engine.max_batch_size`. Rows are sent alone, several at a time."""
        return 1

    # --- requests ------------------------------------------------------------------------------

    def _answer(
        self,
        prompt: Prompt,
        options: GenerationOptions,
        on_text: Callable[[str], None] | None = None,
    ) -> Answer:
        self.wait_until_checked()
        if options.choices:
            return self._choose(prompt, options)
        start = time.perf_counter()
        shown = ShownText(on_text) if on_text else None
        wanted = parameters(options, streams=shown is not None)
        limits: list[int | None] = []  # of the image, for each try; the last one was answered

        def make_messages(max_side: int | None) -> list[Message]:
            limits.append(max_side)
            return [user_message(prompt.text, prompt.view, max_side)]

        completion, _ = self.request(
            make_messages,
            wanted,
            shown.start_reply if shown else None,
        )
        self.check_answered(completion, options)
        if shown:
            shown.finish(completion.text)
        answer = _answer(completion, completion.text, start)
        return replace(answer, image_side=sent_side(prompt.view, limits[-1]))

    def _choose(self, prompt: Prompt, options: GenerationOptions) -> Answer:
        """Answer with one of the choices. Raises GenerationError if the second answer is none."""
        start, rejected = time.perf_counter(), None
        for _ in range(2):
            text = ask_for_choice(prompt.text, options.choices, rejected)
            wanted = parameters(options) | {"logprobs": True, "top_logprobs": TOP_TOKENS}
            completion, _ = self.request(
                lambda side, text=text: [user_message(text, prompt.view, side)],  # type: ignore[misc]
                wanted,
            )
            self.check_answered(completion, options)
            listed = completion.log_probabilities
            if listed and not has_usable_probabilities(listed):
                self.client.form.drop(
                    "logprobs",
                    "the log-probabilities of the server mean nothing (they are constant or"
                    " impossible): choices have no probabilities",
                )
                listed = ()
            choices = score_choices(completion.text, listed, options.choices)
            chosen = find_choice(completion.text, options.choices)
            if choices:
                chosen = max(choices, key=lambda choice: choice.log_likelihood).text
            if chosen is not None:
                return _answer(completion, chosen, start, choices)
            rejected = completion.text
        raise GenerationError(
            f"{self.info.name} answered {short_repr(rejected)}, which is none of the choices:"
            " ask again, or choose another model"
        )

    def request(
        self,
        make_messages: Callable[[int | None], list[Message]],
        wanted: Mapping[str, Any],
        reply_to: Callable[[], Reply] | None = None,
    ) -> tuple[Completion, Reply]:
        """Get one completion, and count its tokens. Raises GenerationError, ModelError."""
        completion, reply = self.client.complete(make_messages, wanted, reply_to)
        with self._lock:
            self._prompt_tokens += completion.prompt_tokens
            self._answer_tokens += completion.answer_tokens
        return completion, reply

    def check_answered(self, completion: Completion, options: GenerationOptions) -> None:
        """Raise GenerationError for a reply without an answer."""
        if completion.is_unanswered:
            raise GenerationError(
                f"the answer of {self.info.name} did not begin within {options.max_new_tokens}"
                " tokens, which its thoughts took: raise --max-new-tokens"
                if completion.reasoning
                else f"{self.info.name} gave no answer within {options.max_new_tokens} tokens:"
                " raise --max-new-tokens"
            )
        if not completion.text and completion.finish_reason == "stop":
            raise GenerationError(f"{self.info.name} gave an empty answer: ask in other words")


def check_template(template: str, model: str) -> None:
    """Raise UsageError for a template that a server cannot honour."""
    if template not in (DEFAULT_TEMPLATE, TemplateName.chat):
        raise UsageError(
            f"{model} runs on a server, which has a prompt template of its own: remove --template"
        )


def parameters(options: GenerationOptions, *, streams: bool = False) -> dict[str, Any]:
    """Return the parameters of a request. A seed is sent only if it changes the answer."""
    sampling: dict[str, Any] = {"temperature": options.temperature}
    if options.temperature > 0:
        sampling |= {"top_p": options.top_p, "seed": options.seed}
    stream = {"stream": True, "stream_options": {"include_usage": True}} if streams else {}
    return {"max_tokens": options.max_new_tokens, **sampling, **stream}


def user_message(text: str, view: ModelView | None, max_side: int | None) -> Message:
    """Make the message of a question, with the image before it."""
    parts: list[dict[str, Any]] = [{"type": "text", "text": text}]
    if view is not None:
        assert isinstance(view.pixels, EncodedImage)  # noqa: S101 - a view of this engine
        image = {"type": "image_url", "image_url": {"url": view.pixels.url(max_side)}}
        parts = [image, *parts]
    return {"role": "user", "content": parts}


def sent_side(view: ModelView, max_side: int | None) -> int:
    """Return the side of the image that a request holds, in pixels."""
    assert isinstance(view.pixels, EncodedImage)  # noqa: S101 - a view of this engine
    return view.pixels.sent_side(max_side)


def _answer(completion: Completion, text: str, start: float, choices: Sequence[Any] = ()) -> Answer:
    return Answer(
        text,
        completion.finish_reason,
        completion.prompt_tokens,
        completion.answer_tokens,
        time.perf_counter() - start,
        tuple(choices),
    )
