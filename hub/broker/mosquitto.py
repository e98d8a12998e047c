"""Configuration for an external Mosquitto: settings, access list, password file, and the hub's own credential.

Tried with Mosquitto 2.0.11 of Debian 12. After `device add` or `revoke` write it again and send Mosquitto a SIGHUP.
"""

import os
import pwd
import secrets
import shutil
from base64 import b64encode
from collections.abc import Iterable
from hashlib import pbkdf2_hmac
from pathlib import Path
from typing import Final

from contract.limits import KIB
from contract.statement import password_of
from hub.broker.address import Address
from hub.broker.link import read_credential
from hub.broker.nats_config import HUB_USER
from hub.errors import Refused
from hub.registry import DisplayUser, EnrolledDevice

ITERATIONS: Final = 101
"""What mosquitto_passwd uses; the passwords are 256 random bits, which no number of guesses finds."""
SALT_BYTES: Final = 12
MAX_PACKET_BYTES: Final = 300 * KIB
MOSQUITTO_USER: Final = "mosquitto"
"""Whom a Mosquitto that was started as root becomes before it reads password file and access list."""

_CONFIG: Final = """\
# Written by `holdfast-hub broker-config mosquitto`. For another host add `cafile`, `certfile` and `keyfile` to the listener.
per_listener_settings false
listener {port} {host}
allow_anonymous false
password_file {folder}/passwords
acl_file {folder}/acl

# One message in flight is ten times faster without Nagle's algorithm.
set_tcp_nodelay true

# Everything travels at QoS 0 and nothing is stored: the hub's own acknowledgement comes after its commit.
persistence false
# The usual ones, and who subscribes to what: a subscription to what is not one's own stays silent, but is seen here.
log_type error
log_type warning
log_type notice
log_type information
log_type subscribe
max_packet_size {max_packet}
# The default of 1,000 drops silently, and 0 disconnects clients that publish where they may not.
max_queued_messages 1000000
"""

_ACCESS: Final = """\
# %u is the user name, which is the device id. A denied subscription is granted and stays silent.
user hub
topic read hf1/up/#
topic write hf1/down/+
topic write hf1/display/#

{screens}pattern write hf1/up/+/%u
pattern read hf1/down/%u
"""


_SCREEN: Final = """\
user {user}
topic read hf1/display/#
topic deny hf1/up/#
topic deny hf1/down/#

"""
"""The patterns hold for every user; what is denied first stays denied."""


def write_mosquitto_config(
    folder: Path, listen: Address, devices: Iterable[EnrolledDevice], displays: Iterable[DisplayUser] = ()
) -> list[Path]:
    """Write the files into `folder`; the hub's password stays the same when it has been written there before.

    Root gives all but the hub's credential to the user `mosquitto`, where there is one.

    Raises:
        Refused: a file cannot be written.
    """
    folder = folder.absolute()
    credential = folder / "hub.toml"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        password = _known_password(credential) or secrets.token_hex(32)
        screens = tuple(displays)
        users = [
            (HUB_USER, password),
            *((d.id, password_of(d.key)) for d in devices),
            *((s.user, s.password) for s in screens),
        ]
        config = _CONFIG.format(port=listen.port, host=listen.host, folder=folder, max_packet=MAX_PACKET_BYTES)
        files = {
            folder / "mosquitto.conf": config,
            folder / "acl": _ACCESS.format(screens="".join(_SCREEN.format(user=s.user) for s in screens)),
            folder / "passwords": "".join(f"{name}:{_hashed(secret)}\n" for name, secret in users),
            credential: f'user = "{HUB_USER}"\npassword = "{password}"\n',
        }
        for path, text in files.items():
            _write(path, text, MOSQUITTO_USER if path != credential else None)
    except OSError as error:
        raise Refused(f"{folder}: {error}") from error
    return list(files)


def _hashed(password: str) -> str:
    """The `$7$` form of mosquitto_passwd: PBKDF2 (RFC 8018) with HMAC-SHA512."""
    salt = secrets.token_bytes(SALT_BYTES)
    digest = pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS)
    return f"$7${ITERATIONS}${b64encode(salt).decode()}${b64encode(digest).decode()}"


def _known_password(credential: Path) -> str | None:
    return read_credential(credential).password if credential.exists() else None


def _write(path: Path, text: str, owner: str | None) -> None:
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    if owner is not None and os.geteuid() == 0 and _is_user(owner):
        shutil.chown(fresh, owner)
    fresh.rename(path)


def _is_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
