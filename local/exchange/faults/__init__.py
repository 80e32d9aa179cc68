"""Faults on demand: what goes wrong at a venue or on the way from it, bounded and seeded."""
