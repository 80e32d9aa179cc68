"""A model that was trained, with all that is kept of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tickwire.model.archive import describe
from tickwire.model.reference import REFERENCE_FILE, Reference, write_reference
from tickwire.model.schema import CARD_FILE, DESCRIPTION_FILE, MODEL_FILE, ModelDescription


@dataclass(frozen=True, slots=True, eq=False)
class TrainedModel:
    """The files of a model's directory.

    Attributes
    ----------
    graph : ONNX
    description : ``model.json``
    reference : ``reference.json``
    card : what it is worth and what it is for, Markdown
    plots : SVG, by file name; the card shows them
    """

    graph: bytes
    description: ModelDescription
    reference: Reference
    card: str
    plots: Mapping[str, bytes]

    def write(self, folder: Path) -> None:
        """Write the directory; what is there of an earlier model is replaced."""
        folder.mkdir(parents=True, exist_ok=True)
        files = {
            MODEL_FILE: self.graph,
            DESCRIPTION_FILE: describe(self.description),
            REFERENCE_FILE: write_reference(self.reference),
            CARD_FILE: self.card.encode(),
            **self.plots,
        }
        for name, content in files.items():
            (folder / name).write_bytes(content)
