"""What can be wrong with settings."""


class UnknownStage(ValueError):
    """No settings are written down for the stage that was asked for."""


class InvalidSettings(ValueError):
    """Settings are missing, or contradict each other or a limit of AWS; the message says what to write."""
