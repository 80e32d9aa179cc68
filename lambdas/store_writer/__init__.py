"""market-events → PostgreSQL: bars, progress, gaps, what was quarantined, notices, and what is concluded of it all."""
