"""A hub with a job that tells, and a mail server that can be opened and closed."""

from sqlalchemy import insert, update

from hub.coldchain.tables import excursion
from hub.notices import store
from hub.notices.job import Noticer, Place
from hub.notices.outbox import Notice
from hub.tables import device_contact
from tests.hub.notices.mailroom import MailRoom
from tests.hub.web.seeded import HOUR_MS, MINUTE_MS, NOW_MS, SeededHub

STARTED_MS = NOW_MS - HOUR_MS


class Office:
    """A hub that started an hour ago, its job, and a mail server that can be opened and closed."""

    def __init__(self, hub: SeededHub, room: MailRoom) -> None:
        self.hub = hub
        self.room = room
        self.noticer = self.restart(STARTED_MS)

    def restart(self, at_ms: int | None = None) -> Noticer:
        now_ms = self.hub.clock.ms
        self.hub.clock.ms = now_ms if at_ms is None else at_ms
        place = Place(self.hub.database, self.hub.live.ahead, self.hub.clock, "http://hub.example")
        self.noticer = Noticer(place)
        self.hub.clock.ms = now_ms
        return self.noticer

    def tick(self, minutes: float = 0, *, silent: bool = False) -> None:
        """Let time pass, with every device in contact but where one is `silent`, and let the job do its work once."""
        self.hub.clock.ms += int(minutes * MINUTE_MS)
        if not silent:
            self.alive()
        self.noticer.look()
        self.noticer.send()

    def excursion(self, sensor: str = "van-1.rear.temperature_c", identity: str = "e1") -> None:
        with self.hub.database.write() as tx:
            tx.execute(
                insert(excursion).values(
                    id=identity, sensor=sensor, device=sensor.partition(".")[0], kind="excursion", limit_name="high",
                    side="above", threshold=800, profile="pharma-2-8", started_ms=NOW_MS - 40 * MINUTE_MS,
                    alarm_ms=NOW_MS - MINUTE_MS, extreme=910, beyond_ms=39 * MINUTE_MS, alarm_known_ms=NOW_MS,
                    known_ms=NOW_MS, changed_ms=NOW_MS, withdrawn=0, ack_who="", ack_why="", ack_covers=0,
                )
            )  # fmt: skip

    def change(self, **values: object) -> None:
        with self.hub.database.write() as tx:
            tx.execute(update(excursion).values(**values))

    def acknowledge(self, *, covers: bool = True) -> None:
        self.change(ack_who="m", ack_why="door closed", ack_ms=self.hub.clock.ms, ack_covers=int(covers))

    def notices(self) -> list[Notice]:
        with self.hub.database.read() as reader:
            return store.latest_notices(reader, 100)

    def contact(self, name: str, at_ms: int) -> None:
        with self.hub.database.write() as tx:
            tx.execute(update(device_contact).where(device_contact.c.device == name).values(contact_ms=at_ms))

    def alive(self) -> None:
        """Every device has just been heard."""
        with self.hub.database.write() as tx:
            tx.execute(update(device_contact).values(contact_ms=self.hub.clock.ms))
