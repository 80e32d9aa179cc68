"""What a served model is, how it is trained and judged, and when a better one takes its place."""
