"""What can be refused about accounts.

AccountError
├── NameTaken, NameUnknown, NameUnusable    a name
├── PasswordTooShort, PasswordGuessable     a new password
├── LifetimeUnusable, TokenUnknown          a token
└── LastAdmin                               nobody would be left who may change accounts
"""


class AccountError(Exception):
    """A change to accounts that is refused; its message is one plain sentence for the person who asked.

    Args:
        text: the sentence, in English, with places for values; the pages say it in the person's language.
        values: what stands in its places.
    """

    def __init__(self, text: str, **values: object) -> None:
        super().__init__(text.format_map(values))
        self.text = text
        self.values = values


class NameTaken(AccountError):
    """There is such a person already."""


class NameUnknown(AccountError):
    """There is no such person."""


class NameUnusable(AccountError):
    """Not a name that can be typed and shown safely."""


class PasswordTooShort(AccountError):
    """Fewer characters than MIN_PASSWORD_CHARS."""


class PasswordGuessable(AccountError):
    """Among the first that anybody would try."""


class LifetimeUnusable(AccountError):
    """A token must end, and within years."""


class TokenUnknown(AccountError):
    """There is no such token, or it was revoked before."""


class LastAdmin(AccountError):
    """The only administrator who may still sign in."""
