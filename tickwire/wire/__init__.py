"""What a stream record's bytes are made of: a head, and columns in little more than the information that they hold.

``head`` says who wrote a record, ``table`` which instruments it tells of. ``rows`` packs a batch: ``matrix`` its
int64 columns, with ``units``, ``entropy`` and ``varint``, and ``small_column`` sides and flags. All of it
is numpy and pcodec: functions that are zips read records too, and have no compiler.
"""
