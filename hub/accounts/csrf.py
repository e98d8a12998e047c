"""Proof that a form comes from our own page, tied to the visitor's secret cookie. Nothing is stored."""

import hmac
from hashlib import sha256

from fastapi import Request


def csrf_token(secret: str) -> str:
    """What a form must carry; without the cookie's secret nobody can make it."""
    return hmac.new(secret.encode(), b"holdfast csrf", sha256).hexdigest()


def csrf_fits(secret: str, given: str) -> bool:
    """Whether a form's token belongs to this visitor."""
    return hmac.compare_digest(csrf_token(secret).encode(), given.encode("utf-8", "replace"))


def from_elsewhere(request: Request) -> bool:
    """Whether the browser says that another site caused this request (Fetch Metadata, or Origin before it)."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in {"same-origin", "none"}
    origin = request.headers.get("origin")
    return origin is not None and origin.partition("://")[2] != request.headers.get("host", "")
