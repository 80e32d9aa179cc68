"""What keeps the lake fast and small for years: small files compacted, those that nothing names removed."""
