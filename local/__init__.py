"""The cloud on a laptop: the synthesised templates on an emulator, and stand-ins for what it lacks."""
