"""Questions to the lake: one text each, for Athena and for DuckDB."""
