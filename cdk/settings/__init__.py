"""What differs from stage to stage, typed. A stack reads its numbers here and nowhere else.

``settings.toml`` at the root of the project has a table for each stage with what only its operator
knows; :mod:`cdk.settings.stages` has everything else, for every stage.
"""

from cdk.settings.errors import InvalidSettings, UnknownStage
from cdk.settings.parts import (
    AccessSettings,
    AlarmSettings,
    AnalyticsSettings,
    ConsumerSettings,
    DatabaseSettings,
    DeliverySettings,
    FeedSettings,
    FunctionSettings,
    GovernanceSettings,
    IngestorSettings,
    LakeSettings,
    ModelSettings,
    StateStoreSettings,
    StreamSettings,
    TaskSettings,
)
from cdk.settings.sources import SETTINGS_FILE, settings_of
from cdk.settings.stage import StageSettings

__all__ = [
    "SETTINGS_FILE",
    "AccessSettings",
    "AlarmSettings",
    "AnalyticsSettings",
    "ConsumerSettings",
    "DatabaseSettings",
    "DeliverySettings",
    "FeedSettings",
    "FunctionSettings",
    "GovernanceSettings",
    "IngestorSettings",
    "InvalidSettings",
    "LakeSettings",
    "ModelSettings",
    "StageSettings",
    "StateStoreSettings",
    "StreamSettings",
    "TaskSettings",
    "UnknownStage",
    "settings_of",
]
