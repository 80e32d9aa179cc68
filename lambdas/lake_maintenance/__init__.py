"""What keeps the lake fast and small for years: closed days compacted, files that nothing names removed."""
