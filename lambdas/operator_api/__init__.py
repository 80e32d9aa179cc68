"""What operators alone may do over HTTP: look at dead letters, send them again, read who did what."""
