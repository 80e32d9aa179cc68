"""The ingestor: exchange WebSockets in, records of columns on the trades-raw stream out."""
