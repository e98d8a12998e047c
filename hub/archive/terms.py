"""How long what is kept."""

from typing import Final

from msgspec import Struct

from hub.errors import Refused


class Terms(Struct, frozen=True):
    """Days that the hub has something before its time is over; None: for ever.

    Attributes:
        facts: then their contents move into archive files.
        photos: then they are erased.
        personal: then facts tell no more of the people who received.
    """

    facts: int | None = None
    photos: int | None = None
    personal: int | None = None

    def __post_init__(self) -> None:
        """Check that they go together.

        Raises:
            Refused: personal data would move into archives, which are never written again, before it is withheld.
        """
        if self.facts is not None and self.personal is not None and self.personal > self.facts:
            raise Refused(
                f"personal data kept for {self.personal} days would be in archives that are made after {self.facts}: "
                "expected --keep-personal-days to be at most --keep-days; shorten the one or lengthen the other"
            )


FOR_EVER: Final = Terms()
