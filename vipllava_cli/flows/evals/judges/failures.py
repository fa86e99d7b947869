"""What a request to a judge ends with, when it gets no grade."""

from vipllava_cli.engine.server.server_errors import ServerError


class UngradedError(Exception):
    """A row that cannot be graded; other rows may be."""


class RejectedError(Exception):
    """An error status for the request as it is. Other settings may get a reply."""

    def __init__(self, text: str, error: ServerError) -> None:
        super().__init__(text)
        self.error = error


class RetryableError(Exception):
    """An error that may pass.

    `wait` is the time that the server asks for, in seconds. `is_unreachable` means that nothing
    listens at the address.
    """

    def __init__(self, text: str, *, wait: float = 0.0, is_unreachable: bool = False) -> None:
        super().__init__(text)
        self.wait = wait
        self.is_unreachable = is_unreachable
