"""The family of a model, which decides how it reads coordinates. Imports no torch."""

from vipllava_cli.engine.open import find_server
from vipllava_cli.engine.options import DEFAULT_MODEL
from vipllava_cli.engine.prompts.references import Reference, choose_reference
from vipllava_cli.marks.reference_style import AUTO, ReferenceStyle


def model_reference(
    style: str, model: str = DEFAULT_MODEL, revision: str | None = None
) -> Reference:
    """Return how questions to a model refer to marks, in a style or in `auto`, that of its family.

    Raises ModelError, and UsageError for coordinates if the family documents none.
    """
    if style != AUTO and not ReferenceStyle(style).writes_places:
        return choose_reference(style, "", model)
    server = find_server(model)
    if server is not None:
        return choose_reference(style, server.model, model)
    from vipllava_cli.engine.hub.checkpoints import find_checkpoint, read_config
    from vipllava_cli.engine.hub.image_limits import read_size_limits
    from vipllava_cli.engine.local.families import find_family

    checkpoint = find_checkpoint(model, revision)
    config = read_config(checkpoint.folder, checkpoint.name)
    family = find_family(config, checkpoint.name)
    pads_image = family is None or family.pads_image
    limits = read_size_limits(checkpoint.folder)
    name = str(config["model_type"]) if family is None else family.name
    return choose_reference(style, name, model, pads_image=pads_image, limits=limits)
