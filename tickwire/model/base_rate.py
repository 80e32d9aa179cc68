"""The model without skill that an endpoint starts with: 0.5 for every row.

Up and down are about equally frequent, so this is what anybody knows of the next bar beforehand. It
is called ``base-rate`` in ``model.json`` and so in every answer: nobody takes it for a prediction,
and a trained model has to beat it to be promoted.
"""

from tickwire.model.archive import pack
from tickwire.model.onnx_graph import logistic_graph
from tickwire.model.schema import FeatureSchema, ModelDescription

NAME = "base-rate"
PROBABILITY = 0.5


def base_rate_archive(schema: FeatureSchema) -> bytes:
    """Give the ``model.tar.gz`` of the base rate for rows of a schema."""
    description = ModelDescription(name=NAME, version="seed", schema=schema, digest=schema.digest)
    # The logit of one half is 0, whatever the row.
    return pack(logistic_graph([0.0] * (2 * len(schema.names)), 0.0, schema=schema), description)
