"""One message to one address: mail by our own hand, everything else through Apprise, which is loaded with the first message.

Mail is our own because a repeat must have the Message-ID of the first try, and Apprise makes a new one each time.
"""

import logging
import re
import smtplib
import ssl
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
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
    """A message that did not get through, as far as is known; the sentence holds no part of the address.

    Attributes:
        may_have_arrived: a mail server may have taken it all the same, so a repeat must have the same Message-ID. Other
            services know no such thing.
    """

    def __init__(self, why: str, *, may_have_arrived: bool = False) -> None:
        super().__init__(why)
        self.may_have_arrived = may_have_arrived


def usable(url: str) -> bool:
    """Whether there is a service for this address."""
    return _plugin(url) is not None


def deliver(url: str, text: Text, message_id: str) -> str:
    """Send a message.

    Returns:
        When the other side has taken it: which receivers it refused, in a sentence without any part of the address; empty where
        it refused none.

    Raises:
        NotDelivered: it did not take it.
    """
    plugin = _plugin(url)
    if plugin is None:
        raise NotDelivered("no service is known for this address; see the list of Apprise")
    if hasattr(plugin, "smtp_host"):
        try:
            refused = _mail(plugin, text, message_id)
        except (OSError, ValueError) as error:
            why = without_secrets(_mail_words(error), url)
            raise NotDelivered(why, may_have_arrived=isinstance(error, _CutOff)) from error
        return without_secrets(refused, url)
    try:
        with _heard() as said:
            taken = plugin.notify(body=text.body, title=text.title)
    except Exception as error:
        # Services of 170 makers: whatever one does costs no more than its message.
        raise NotDelivered(without_secrets(f"{type(error).__name__}: {error}", url)) from error
    if not taken:
        raise NotDelivered(without_secrets(said[-1] if said else "the service did not take it", url))
    return ""


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


class _CutOff(OSError):
    """The connection broke while the message went over it, so whether it was taken is not known."""


def _mail(plugin: Any, text: Text, message_id: str) -> str:
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
    server = _greeted(plugin)
    try:
        if plugin.user and plugin.password:
            server.login(plugin.user, plugin.password)
        everybody = [*receivers, *plugin.cc, *plugin.bcc]
        refused = _submit(server, mail, plugin.from_addr[1], everybody)
        return _refusal_words(refused, len(everybody)) if refused else ""
    finally:
        # However the server takes its leave, what it has taken it has taken.
        with suppress(OSError):
            server.quit()
        server.close()


def _greeted(plugin: Any) -> smtplib.SMTP:
    context = ssl.create_default_context()
    if not plugin.verify_certificate:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    host, port = plugin.smtp_host, plugin.port
    mode = str(plugin.secure_mode)
    if mode == "ssl":
        return smtplib.SMTP_SSL(host, port, timeout=STEP_S, context=context)
    server = smtplib.SMTP(host, port, timeout=STEP_S)
    if mode == "starttls":
        try:
            server.starttls(context=context)
        except OSError:
            server.close()
            raise
    return server


def _submit(
    server: smtplib.SMTP, mail: EmailMessage, sender: str, receivers: Sequence[str]
) -> Mapping[str, tuple[int, bytes]]:
    try:
        return server.send_message(mail, sender, receivers)
    except smtplib.SMTPServerDisconnected as error:
        raise _CutOff(str(error)) from error
    except smtplib.SMTPException:
        raise
    except OSError as error:
        raise _CutOff(error.strerror or str(error)) from error


def _mail_words(error: OSError | ValueError) -> str:
    match error:
        case smtplib.SMTPRecipientsRefused():
            return _refusal_words(error.recipients, len(error.recipients))
        case smtplib.SMTPResponseException():
            answer = error.smtp_error
            said = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
            return f"the mail server refused: {error.smtp_code} {said}"
        case _CutOff():
            return f"the mail server broke off: {error}"
        case TimeoutError():
            return f"the mail server did not answer within {STEP_S:.0f} s"
        case OSError():
            return f"the mail server cannot be reached: {error.strerror or error}"
    return f"no mail can be made of it: {error}"


def _refusal_words(refused: Mapping[str, tuple[int, bytes]], of: int) -> str:
    answers = {f"{code} {answer.decode('utf-8', 'replace')}" for code, answer in refused.values()}
    return f"the mail server refused {len(refused)} of {of} receivers: {'; '.join(sorted(answers))}"


def without_secrets(sentence: str, url: str) -> str:
    """A sentence without any part of an address, on one line."""
    _, _, rest = url.partition("://")
    written = re.split(r"[/:@?&=,;+\s]+", rest)
    # Unquoted piece by piece: a password may hold what else stands between two pieces.
    parts = {*written, *map(unquote, written), *re.split(r"[/:@?&=,;+\s]+", unquote(rest))}
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
