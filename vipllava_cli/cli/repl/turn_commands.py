"""Answers, and the slash commands about turns: /undo, /retry, /more, /reset, /stats."""

from vipllava_cli.cli.repl.session import ChatSession
from vipllava_cli.cli.terminal.answer_marks import describe_answer_marks
from vipllava_cli.cli.terminal.answers import AnswerTask
from vipllava_cli.engine.base import NO_LIMIT
from vipllava_cli.flows.chat.chat import Chat
from vipllava_cli.flows.chat.state import ChatState
from vipllava_cli.storage.counts import count_noun


def show_answer(session: ChatSession, task: AnswerTask) -> None:
    """Render the answer of a task, save the conversation, and print notes about the answer."""
    turn = session.renderer.render(task)
    if turn is None:
        return
    session.save()
    chat, messages = session.chat, session.messages
    if turn.record.note:
        messages.note(turn.record.note)
    if chat.answer_marks and session.is_interactive:
        adds = "/use adds it" if len(chat.answer_marks) == 1 else "/use adds them"
        shows = "" if session.is_plain else ", /show draws the image"
        messages.say(f"{describe_answer_marks(chat.answer_marks)}; {adds}{shows}")
    if turn.record.finish_reason == "stopped":
        messages.note("answer stopped: /more continues it")
    elif turn.record.finish_reason == "length":
        messages.note(
            f"answer cut off at {count_noun(turn.record.answer_tokens, 'token')}: /more continues"
            " it, /set max-new-tokens N raises the limit"
        )
    if chat.is_nearly_full():
        messages.note(
            f"context nearly full ({chat.used_tokens} of {chat.conversation.max_tokens} tokens):"
            " the oldest turns will be dropped soon; /reset starts over"
        )
    if chat.reply:
        answer = chat.reply.answer
        messages.detail(
            f"{answer.prompt_tokens} + {answer.answer_tokens} tokens, {answer.seconds:.3f} s"
        )


def undo(session: ChatSession, argument: str) -> None:
    """Remove the last question and its answer."""
    removed = session.chat.state.turns[-1:]
    session.chat.state = session.chat.state.without_last_turn()
    session.save()
    session.messages.say(f"undone: {removed[0].question}")


def retry(session: ChatSession, argument: str) -> None:
    """Answer the last question again."""
    show_answer(session, session.chat.retry)


def more(session: ChatSession, argument: str) -> None:
    """Continue an answer that was cut off or stopped."""
    show_answer(session, session.chat.continue_answer)


def reset(session: ChatSession, argument: str) -> None:
    """Remove all turns; keep the image and its marks."""
    state = session.chat.state
    session.chat.state = ChatState(state.marked, state.zoom)
    session.save()
    session.messages.say("conversation cleared; image and marks kept")


def stats(session: ChatSession, argument: str) -> None:
    """Print the model, the number of turns and tokens, and the speed of the last answer."""
    chat, info = session.chat, session.chat.engine.info
    count, dropped = len(chat.state.turns), chat.state.dropped_turns
    turns = "1 turn" if count == 1 else f"{count} turns"
    lines = [
        info.summary,
        f"{turns}, the oldest {dropped} dropped" if dropped else turns,
        _used_tokens(chat),
    ]
    if chat.reply:
        answer = chat.reply.answer
        cached = answer.prompt_tokens - chat.reply.prefill_tokens
        lines.append(
            f"last answer: {answer.answer_tokens} tokens in {answer.seconds:.3f} s, the first after"
            f" {chat.reply.first_token_seconds:.3f} s; prompt: {answer.prompt_tokens} tokens,"
            f" {cached} of them cached"
        )
    session.messages.tell("\n".join(lines))


def _used_tokens(chat: Chat) -> str:
    limit = chat.conversation.max_tokens
    if limit == NO_LIMIT:
        return f"about {chat.used_tokens} tokens used; the server knows the limit"
    return f"{chat.used_tokens} of {limit} tokens used"
