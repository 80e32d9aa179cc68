"""SQS dead letters → PostgreSQL, where they can be listed and do not expire."""
