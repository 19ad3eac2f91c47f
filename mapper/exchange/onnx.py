"""The canonical ONNX form of an imported network (``docs/canonical-onnx.md``)."""

from pathlib import Path

from mapper.exchange.canonical import to_model, to_trained
from mapper.frontend import Imported
from mapper.presented import presented_entry


def write_onnx(imported: Imported, path: Path) -> tuple[str, ...]:
    """Write one time step of a network, for ONNX Runtime and for ``import_model``.

    The same network gives the same bytes. Reading the file back gives an equal graph. Returns
    what other tools do not see: nothing.

    Raises:
        MappingError: ``not-exportable``, ``unusable-name``, ``model-too-large``.
    """
    if imported.trained_for:
        trained = to_trained(imported.graph, imported.trained_for)
        path.write_bytes(trained.SerializeToString(deterministic=True))
        return ()
    facts = {"notes": list(imported.notes), **presented_entry(imported.presented)}
    model = to_model(imported.graph, facts)
    path.write_bytes(model.SerializeToString(deterministic=True))
    return ()
