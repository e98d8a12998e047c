"""Run as a script: folds what waits in a data folder, and dies of the scan `killer`."""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection

sys.path.insert(0, str(Path(__file__).parents[2]))

from contract.event import Scan
from hub.projector import Change, LedgerFact
from tests.hub.desk import Seen, open_desk


class Deadly(Seen):
    """What a fault in a C library would do."""

    def fold(self, tx: Connection, facts: Sequence[LedgerFact]) -> Sequence[Change]:
        for known in facts:
            if isinstance(known.fact.event, Scan) and known.fact.event.code == b"killer":
                os.kill(os.getpid(), signal.SIGKILL)
        return super().fold(tx, facts)


with open_desk(Path(sys.argv[1]), projections=[Deadly()], now_ms=int(sys.argv[2])) as desk:
    desk.centre.projector.catch_up()
