"""What is out of the ordinary in a market, and its mood; ``docs/signals.md`` says what each number means.

All detectors are incremental and deterministic: cutting the same rows into other calls, or saving and loading the
state between them, changes nothing of what they find. What is usual comes from a symbol's own past alone, and the
row that is judged is never part of it.
"""
