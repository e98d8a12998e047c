"""A real SMTP server that keeps what it is given, and can be slow, refuse, or go away."""

import asyncio
import email
import email.policy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from aiosmtpd.controller import Controller

if TYPE_CHECKING:
    from email.message import EmailMessage


class MailRoom:
    """The server's handler, and what came."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.came: list[EmailMessage] = []
        self.refuses = ""
        self.nobody = ""
        """A receiver that there is not."""
        self.leave = "221 bye"
        self.cuts_off = False
        self.slow_s = 0.0

    @property
    def url(self) -> str:
        """As a target has it."""
        return self.url_to("duty@example.com")

    def url_to(self, *receivers: str) -> str:
        """The same to others."""
        return f"mailto://127.0.0.1:{self.port}?from=hub@example.com&to={','.join(receivers)}&mode=insecure"

    @property
    def titles(self) -> list[str]:
        return [str(mail["subject"]).strip() for mail in self.came]

    @property
    def ids(self) -> list[str]:
        return [str(mail["message-id"]) for mail in self.came]

    async def handle_RCPT(  # noqa: N802 aiosmtpd's name
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if address == self.nobody:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_QUIT(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 aiosmtpd's name
        return self.leave

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 aiosmtpd's name
        if self.slow_s:
            await asyncio.sleep(self.slow_s)
        if self.refuses:
            return self.refuses
        self.came.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        if self.cuts_off:
            server.transport.abort()
        return "250 taken"


@contextmanager
def opened(room: MailRoom) -> Iterator[MailRoom]:
    """The server while the block runs."""
    controller = Controller(room, hostname="127.0.0.1", port=room.port)
    controller.start()
    try:
        yield room
    finally:
        controller.stop()
