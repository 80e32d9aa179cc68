"""What the log of what clients may miss takes of DynamoDB."""

import math

from cdk.costs.flow import Flow

CHECKPOINT_SECONDS = 5.0
WRITE_UNIT = 1_024
# Measured on 16 and 1,562 trades a second: a row of n records takes 0.2 to 0.4 √n of what one of them takes in
# messages, as zlib leaves of it and conflation of n.
ROW_SHARE = 0.3
HEAD_BYTES = 12 * 10
"""Of a symbol in a checkpoint: a dozen topics, compressed."""


def replay_units(flow: Flow) -> float:
    """Give the write units a second: a row for each batch of a partition, and the partitions' checkpoints."""
    batches = flow.batches("broadcaster")
    if not batches or flow.share is None:
        return 0.0
    records = flow.volumes.event_records * flow.partitions / batches
    said = flow.volumes.screen_bytes / flow.volumes.event_records
    row = math.ceil(ROW_SHARE * said * math.sqrt(records) / WRITE_UNIT)
    checkpoint = math.ceil(HEAD_BYTES * flow.share.symbols / WRITE_UNIT)
    return batches * row + flow.partitions * checkpoint / CHECKPOINT_SECONDS
