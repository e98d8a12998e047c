"""One message to one address: mail by our own hand, everything else through Apprise, which is loaded with the first message.

Mail is our own because a repeat must have the Message-ID of the first try, and Apprise makes a new one each time.
"""

import logging
import re
import smtplib
import ssl
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, formataddr
from functools import cache
from typing import Any, Final
from urllib.parse import unquote

from hub.notices.letter import Text

STEP_S: Final = 10.0
"""A server that does not answer one command for so long is not there."""
MAX_WHY_CHARS: Final = 300
MIN_SECRET_CHARS: Final = 4
"""Shorter parts of an address are no secrets, and taking them out would make a sentence unreadable."""


class NotDelivered(Exception):
    """A message that did not get through; the sentence holds no part of the address."""


def usable(url: str) -> bool:
    """Whether there is a service for this address."""
    return _plugin(url) is not None


def deliver(url: str, text: Text, message_id: str) -> None:
    """Send a message; returns when the other side has taken it.

    Raises:
        NotDelivered: it did not.
    """
    plugin = _plugin(url)
    if plugin is None:
        raise NotDelivered("no service is known for this address; see the list of Apprise")
    if hasattr(plugin, "smtp_host"):
        try:
            _mail(plugin, text, message_id)
        except (OSError, smtplib.SMTPException) as error:
            raise NotDelivered(without_secrets(_mail_words(error), url)) from error
        return
    with _heard() as said:
        taken = plugin.notify(body=text.body, title=text.title)
    if not taken:
        raise NotDelivered(without_secrets(said[-1] if said else "the service did not take it", url))


def _plugin(url: str) -> Any:
    return _apprise().Apprise.instantiate(url, suppress_exceptions=True)


@cache
def _apprise() -> Any:
    with warnings.catch_warnings():
        # Its services use modules of the standard library that will go; that is its own affair.
        warnings.simplefilter("ignore", DeprecationWarning)
        import apprise  # noqa: PLC0415 a quarter of a second, which a hub that tells nobody need not spend

        # Loads them all.
        apprise.Apprise.instantiate("json://localhost")
    # It speaks of addresses in its log, secrets included.
    logging.getLogger("apprise").propagate = False
    return apprise


def _mail(plugin: Any, text: Text, message_id: str) -> None:
    mail = EmailMessage()
    mail["Subject"] = text.title
    name, address = plugin.from_addr
    mail["From"] = formataddr((name or "Holdfast", address))
    receivers = [to for _, to in plugin.targets]
    mail["To"] = ", ".join(receivers)
    if plugin.cc:
        mail["Cc"] = ", ".join(sorted(plugin.cc))
    mail["Date"] = format_datetime(datetime.now(tz=UTC))
    mail["Message-ID"] = message_id
    # RFC 3834, section 5: nobody's absence note is wanted in answer.
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(text.body)
    refused = _submit(plugin, mail, [*receivers, *plugin.cc, *plugin.bcc])
    if refused:
        raise smtplib.SMTPRecipientsRefused(refused)


def _submit(plugin: Any, mail: EmailMessage, receivers: list[str]) -> dict[str, tuple[int, bytes]]:
    context = ssl.create_default_context()
    if not plugin.verify_certificate:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    host, port = plugin.smtp_host, plugin.port
    mode = str(plugin.secure_mode)
    if mode == "ssl":
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=STEP_S, context=context)
    else:
        server = smtplib.SMTP(host, port, timeout=STEP_S)
    with server:
        if mode == "starttls":
            server.starttls(context=context)
        if plugin.user and plugin.password:
            server.login(plugin.user, plugin.password)
        return server.send_message(mail, plugin.from_addr[1], receivers)


def _mail_words(error: OSError | smtplib.SMTPException) -> str:
    match error:
        case smtplib.SMTPRecipientsRefused():
            answers = {f"{code} {answer.decode('utf-8', 'replace')}" for code, answer in error.recipients.values()}
            return f"{len(error.recipients)} receivers were refused: {'; '.join(sorted(answers))}"
        case smtplib.SMTPResponseException():
            answer = error.smtp_error
            said = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
            return f"the mail server refused: {error.smtp_code} {said}"
        case TimeoutError():
            return f"the mail server did not answer within {STEP_S:.0f} s"
    return f"the mail server cannot be reached: {error.strerror or error}"


def without_secrets(sentence: str, url: str) -> str:
    """A sentence without any part of an address, on one line."""
    _, _, rest = url.partition("://")
    parts = {part for text in (rest, unquote(rest)) for part in re.split(r"[/:@?&=,;+\s]+", text)}
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= MIN_SECRET_CHARS:
            sentence = sentence.replace(part, "\u2026")
    return " ".join(sentence.split())[:MAX_WHY_CHARS]


@contextmanager
def _heard() -> Iterator[list[str]]:
    """What Apprise says meanwhile in this thread; it tells why only in its log."""
    said: list[str] = []
    thread = threading.get_ident()

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == thread:
                said.append(record.getMessage())

    ear = Ear(logging.WARNING)
    logger = logging.getLogger("apprise")
    logger.addHandler(ear)
    try:
        yield said
    finally:
        logger.removeHandler(ear)
