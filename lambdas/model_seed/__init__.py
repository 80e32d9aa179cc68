"""The first deployment of a stage → an endpoint that serves the base rate."""
