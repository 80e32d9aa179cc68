"""Tickwire's domain: pure Python over columns; no AWS, no clock, no environment."""

__version__ = "0.1.0"
