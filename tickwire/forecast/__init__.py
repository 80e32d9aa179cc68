"""From bars to a prediction and what it is worth: rows, the endpoint that is asked, trading signals."""
