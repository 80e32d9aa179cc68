"""Decides who may open a WebSocket: the authorizer of the route $connect."""
