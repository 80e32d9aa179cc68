"""A model's two files, loaded and checked, as a function from rows to probabilities."""

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tickwire.model.reference import REFERENCE_FILE, Reference, read_reference
from tickwire.model.schema import (
    DESCRIPTION_FILE,
    INPUT,
    MODEL_FILE,
    OUTPUT,
    FeatureSchema,
    ModelDescription,
    UnfitModel,
    read_description,
)

Float32 = npt.NDArray[np.float32]


class Predictor:
    """One ONNX graph in onnxruntime, on one thread: a row takes microseconds, and threads would only wait for each
    other."""

    def __init__(self, graph: bytes, description: ModelDescription, reference: Reference | None = None) -> None:
        """Load a graph and ask it once; ``reference`` is what its training saw.

        Raises
        ------
        UnfitModel
            If it is no graph of rows of the description's schema, or does not answer with a probability.
        """
        # From 1.32 on it tells its maker what it runs, and leaves a file of that in the temporary folder, unless told
        # not to before it is loaded.
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 3
        self.description = description
        self.reference = reference
        try:
            self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
            answer = self.predict(np.zeros((2, description.schema.width), np.float32))
        # onnxruntime raises classes of its own that have no other root.
        except Exception as error:
            raise UnfitModel(f"{MODEL_FILE}: {error}") from error
        if answer.shape != (2,) or not np.all((answer >= 0) & (answer <= 1)):
            raise UnfitModel(f"{MODEL_FILE}: answers {answer!r} to two rows of zeros")

    @classmethod
    def load(cls, folder: Path, *, expected: FeatureSchema) -> "Predictor":
        """Load the model in a folder, which must be made for rows of ``expected``.

        Raises
        ------
        UnfitModel
            If a file is missing or damaged, or the model is for other rows.
        """
        try:
            described = (folder / DESCRIPTION_FILE).read_bytes()
            graph = (folder / MODEL_FILE).read_bytes()
        except OSError as error:
            raise UnfitModel(str(error)) from error
        description = read_description(described, expected=expected)
        path = folder / REFERENCE_FILE
        reference = read_reference(path.read_bytes(), schema=expected) if path.exists() else None
        return cls(graph, description, reference)

    def predict(self, rows: Float32) -> Float32:
        """Give the probability that the next bar closes higher: float32 (n, width) to float32 (n,)."""
        (answer,) = self._session.run([OUTPUT], {INPUT: rows})
        probabilities: Float32 = answer
        return probabilities
