"""The family of a model, which decides how it reads coordinates. Imports no torch."""

from vipllava_cli.engine.open import find_server
from vipllava_cli.engine.options import DEFAULT_MODEL
from vipllava_cli.engine.prompts.references import Reference, choose_reference
from vipllava_cli.marks.reference_style import AUTO, ReferenceStyle


def read_family(model: str = DEFAULT_MODEL, revision: str | None = None) -> str:
    """Return the `family` of `ModelInfo` without loading the model. Raises ModelError."""
    server = find_server(model)
    if server is not None:
        return server.model
    from vipllava_cli.engine.hub.checkpoints import find_checkpoint, read_config

    checkpoint = find_checkpoint(model, revision)
    return str(read_config(checkpoint.folder, checkpoint.name)["model_type"])


def model_reference(
    style: str, model: str = DEFAULT_MODEL, revision: str | None = None
) -> Reference:
    """Return how questions to a model refer to marks, in a style or in `auto`, that of its family.

    Raises ModelError, and UsageError for coordinates if the family documents none.
    """
    needs_family = style == AUTO or ReferenceStyle(style).writes_places
    family = read_family(model, revision) if needs_family else ""
    return choose_reference(style, family, model)
