"""Destroys the stores of a small platform one after the other, restores them, and proves what came back.

Real PostgreSQL with an archive of its log, a real Valkey, S3 with versions, Glue, Kinesis and SQS of
the emulator, and the project's own stages, writers and audit. What AWS does by itself (Aurora's
point-in-time recovery, MemoryDB's snapshots) is done here by the same means underneath: a base backup
and archived log, a dump of all keys at one moment.
"""
