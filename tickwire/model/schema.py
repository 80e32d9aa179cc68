"""What a model expects of a row, and what it says of itself: ``model.json`` beside ``model.onnx``."""

import hashlib
from typing import Annotated

import msgspec

from tickwire.errors import TickwireError

MODEL_FILE = "model.onnx"
DESCRIPTION_FILE = "model.json"
CARD_FILE = "card.md"

INPUT = "features"
"""Name of the graph's one input: float32 (rows, width), where ``width`` is :attr:`FeatureSchema.width`."""
OUTPUT = "probability"
"""Name of its one output: float32 (rows,), the probability that the next bar closes higher."""


class UnfitModel(TickwireError, ValueError):
    """A model's files are damaged, or it was made for other features than this code computes."""


class FeatureSchema(msgspec.Struct, frozen=True):
    """Which numbers make a row, and in which order.

    Attributes
    ----------
    names : the features of one bar
    window : bars in a row, oldest first; a row is flat, bar after bar
    interval : seconds of a bar, which is also the horizon of the prediction
    """

    names: tuple[str, ...]
    window: Annotated[int, msgspec.Meta(ge=1)]
    interval: Annotated[int, msgspec.Meta(ge=1)]

    @property
    def width(self) -> int:
        """Numbers in a row."""
        return len(self.names) * self.window

    @property
    def columns(self) -> tuple[str, ...]:
        """A name for each number of a row: the feature, and which bar of the window where there are several."""
        if self.window == 1:
            return self.names
        return tuple(f"{name}.{bar}" for bar in range(self.window) for name in self.names)

    @property
    def digest(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 of the schema as JSON: the same for the same rows alone."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:16]


class TrainedSpan(msgspec.Struct, frozen=True):
    """Starts, ns UTC, of the first and the last bar that a model has learnt from."""

    first: int
    last: int


class Lineage(msgspec.Struct, frozen=True):
    """What a model was made of: whoever has the same again gets the same model.

    Attributes
    ----------
    instruments : ``venue:SYMBOL``
    rows : learnt from, those included that learning was stopped by
    dataset : the first 16 hexadecimal digits of the SHA-256 of all rows that training was given
    code : likewise, of the sources of the features and of the model
    seed : of all that was random
    parameters : what the run set, by name
    """

    instruments: tuple[str, ...]
    rows: int
    dataset: str
    code: str
    seed: int
    parameters: dict[str, str | int | float]


class ModelDescription(msgspec.Struct, frozen=True):
    """``model.json``.

    Attributes
    ----------
    name : the kind of model; ``base-rate`` says that it predicts nothing
    version : the run that made it
    digest : :attr:`FeatureSchema.digest` when it was made
    trained : None for a model that learnt from no bar
    metrics : of the walk-forward folds of its training, by name
    lineage : None for a model that was not trained
    """

    name: Annotated[str, msgspec.Meta(pattern="^[a-z0-9-]{1,63}$")]
    version: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    schema: FeatureSchema
    digest: str
    trained: TrainedSpan | None = None
    metrics: dict[str, float] = {}
    lineage: Lineage | None = None


def read_description(content: bytes, *, expected: FeatureSchema) -> ModelDescription:
    """Read ``model.json`` of a model that is to work on rows of ``expected``.

    Raises
    ------
    UnfitModel
        If the file cannot be read, contradicts itself, or names another schema.
    """
    try:
        description = msgspec.json.decode(content, type=ModelDescription)
    except msgspec.DecodeError as error:
        raise UnfitModel(f"{DESCRIPTION_FILE}: {error}") from error
    if description.digest != description.schema.digest:
        raise UnfitModel(f"{DESCRIPTION_FILE}: digest {description.digest} is not that of its schema")
    if description.digest != expected.digest:
        raise UnfitModel(
            f"{description.name} {description.version} expects rows of schema {description.digest},"
            f" and this code makes {expected.digest}"
        )
    return description
