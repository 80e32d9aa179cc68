"""Predictions in PostgreSQL and the champion's reference → drift, as metrics, and a training where it stays."""
