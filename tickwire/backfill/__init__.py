"""Which missing ids to ask a venue's history for, when, and in which order: pure planning, times given."""
