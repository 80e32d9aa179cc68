"""market-events → PostgreSQL: bars, progress, gaps, what was quarantined, notices."""
