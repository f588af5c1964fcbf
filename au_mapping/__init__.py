"""FACS action units and the versioned tables that turn them into ARKit blendshapes.

And from those, by target tables, into the controls of other rigs.
"""

from .action_unit import ActionUnit
from .mapping import AUMapping, load_mapping
from .rules import Rule
from .table import ActionUnitInfo
from .table_files import mapping_names
from .target import ControlTarget, load_target, target_names
from .vocabulary import (
    ARKIT_51,
    FACS_CODES,
    FULL_INTENSITY,
    INTENSITIES,
    FacsCode,
    mirrored_shape,
    side_of,
)

__all__ = [
    "ARKIT_51",
    "FACS_CODES",
    "FULL_INTENSITY",
    "INTENSITIES",
    "AUMapping",
    "ActionUnit",
    "ActionUnitInfo",
    "ControlTarget",
    "FacsCode",
    "Rule",
    "load_mapping",
    "load_target",
    "mapping_names",
    "mirrored_shape",
    "side_of",
    "target_names",
]
