"""How records get from one stage to the next exactly once in effect: see stream_stage.py."""
