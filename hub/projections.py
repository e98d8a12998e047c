"""All projections of the hub, in one place."""

from hub.coldchain.projection import ColdChainProjection
from hub.projector import Projection
from hub.tracking.positions import PositionProjection
from hub.tracking.projection import TrackingProjection


def all_projections() -> list[Projection]:
    """Fresh ones; they hold no state between folds."""
    return [TrackingProjection(), ColdChainProjection(), PositionProjection()]
