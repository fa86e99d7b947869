"""The options for models on servers. `--help` imports this module and nothing heavy with it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from vipllava_cli.errors import UsageError

if TYPE_CHECKING:
    from vipllava_cli.engine.server.opening import ServerOptions

SERVER_PANEL = "Model on a server"


def _server(help: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=SERVER_PANEL, **more)


@dataclass(frozen=True, eq=False, repr=False)
class ServerFlags:
    """How to ask a model on a server."""

    timeout: Annotated[
        float | None,
        _server(
            "Seconds to wait for the next byte of the server. (default: 120)",
            metavar="SECONDS",
            min=0.1,
            max=3600,
        ),
    ] = None
    no_image_check: Annotated[
        bool,
        _server("Do not check once a day that images reach the model.", "--no-image-check"),
    ] = False

    _asks_many: ClassVar[bool] = False

    def server_options(self) -> "ServerOptions":
        """Convert to the engine's options."""
        from dataclasses import replace

        from vipllava_cli.engine.server.opening import DEFAULTS

        parallel = getattr(self, "parallel", None)
        return replace(
            DEFAULTS,
            parallel=DEFAULTS.parallel if parallel is None else parallel,
            timeout=DEFAULTS.timeout if self.timeout is None else self.timeout,
            checks_images=not self.no_image_check,
            waits_for_check=not self._asks_many,
        )

    def refuse_for_local(self, model: str) -> None:
        """Raise UsageError if an option is given, and the model runs on this machine."""
        given = {
            "--parallel": getattr(self, "parallel", None) is not None,
            "--timeout": self.timeout is not None,
            "--no-image-check": self.no_image_check,
        }
        for name, is_given in given.items():
            if is_given:
                instead = ", or use --batch-size" if name == "--parallel" else ""
                raise UsageError(
                    f"{name} is for models on servers, and {model} runs on this machine: remove"
                    f" it{instead}"
                )


@dataclass(frozen=True, eq=False, repr=False)
class ParallelServerFlags(ServerFlags):
    """How to ask a model on a server many questions, the first of which are prepared during the check."""

    _asks_many = True

    parallel: Annotated[
        int | None,
        _server("Requests to the server at a time. (default: 4)", metavar="N", min=1, max=256),
    ] = None


NO_SERVER_FLAGS = ServerFlags()
