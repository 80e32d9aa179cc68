"""trades-clean → Parquet data files on S3, announced to the committer."""
