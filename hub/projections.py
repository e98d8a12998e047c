"""All projections of the hub, in one place."""

from hub.archive.attachments import AttachmentProjection
from hub.coldchain.projection import ColdChainProjection
from hub.deliveries.projection import DeliveryProjection
from hub.fleet.projection import FleetProjection
from hub.projector import Projection
from hub.tracking.positions import PositionProjection
from hub.tracking.projection import TrackingProjection


def all_projections() -> list[Projection]:
    """Fresh ones; they hold no state between folds."""
    # The cold chain comes first: it keeps what was known when, so it may see no clock fix that came later, and the others
    # note all fixes of the facts that they are given at once.
    return [
        ColdChainProjection(),
        TrackingProjection(),
        PositionProjection(),
        FleetProjection(),
        AttachmentProjection(),
        # Behind tracking, whose corrections it reads.
        DeliveryProjection(),
    ]
