"""What a client of the WebSocket protocol needs."""
