"""Strangers at the broker: mosquitto's own clients with whatever credential they have."""

import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.journeys.world import Credential, wait_until

CLIENT_TIMEOUT_S = 60
ANSWERED = re.compile("SUBACK|[Nn]ot authori|refused")


def _who(port: int, who: Credential | None) -> list[str]:
    words = ["-h", "127.0.0.1", "-p", str(port)]
    return words if who is None else [*words, "-u", who.user, "-P", who.password]


def publish(port: int, who: Credential | None, topic: str, payload: bytes, *options: str) -> bool:
    """Publish one message; whether the broker let the client in (a denied publish is dropped in silence)."""
    done = subprocess.run(
        ["mosquitto_pub", *_who(port, who), "-t", topic, "-s", *options],
        input=payload,
        capture_output=True,
        timeout=CLIENT_TIMEOUT_S,
        check=False,
    )
    return done.returncode == 0


def forget_retained(port: int, who: Credential, topic: str) -> None:
    """Take away what the broker retains there."""
    subprocess.run(["mosquitto_pub", *_who(port, who), "-t", topic, "-n", "-r"], timeout=CLIENT_TIMEOUT_S, check=True)


class Listener:
    """A client that subscribed, or tried to; what it says goes to a file."""

    def __init__(
        self, said: Path, port: int, who: Credential | None, topics: Sequence[str], options: Sequence[str]
    ) -> None:
        self._said = said
        filters = [word for topic in topics for word in ("-t", topic)]
        with said.open("wb") as out:
            self.process = subprocess.Popen(
                # Line by line, so that it can be read while it runs.
                ["stdbuf", "-oL", "mosquitto_sub", *_who(port, who), "-d", "-F", "HEARD %t %x", *filters, *options],
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    @property
    def words(self) -> str:
        """Everything it said so far."""
        return self._said.read_text("utf-8", "replace")

    @property
    def heard(self) -> list[tuple[str, bytes]]:
        """Topic and payload of what came so far; whole lines only."""
        lines = [line.split(" ") for line in self.words.split("\n")[:-1] if line.startswith("HEARD ")]
        return [(topic, bytes.fromhex(payload)) for _, topic, payload in lines]

    def end(self) -> None:
        """Go away without a word, as at a power cut."""
        self.process.kill()
        self.process.wait()


@contextmanager
def listening(port: int, who: Credential | None, *topics: str, options: Sequence[str] = ()) -> Iterator[Listener]:
    """Subscribe while the block runs, which begins when the broker has answered."""
    with tempfile.TemporaryDirectory() as folder:
        listener = Listener(Path(folder) / "said", port, who, topics, options)
        try:
            wait_until(lambda: ANSWERED.search(listener.words), f"the broker answers {topics}: {listener.words}")
            yield listener
        finally:
            listener.end()
