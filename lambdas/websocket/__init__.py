"""The clients' side of the WebSocket API: connect, disconnect, subscribe, unsubscribe, ping."""
