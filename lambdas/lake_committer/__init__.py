"""SQS FIFO → Iceberg: makes the writer's files visible, every record exactly once."""
