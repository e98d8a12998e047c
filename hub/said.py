"""A sentence that programs read in English and pages say in the visitor's language."""

from typing import Self


class Said(str):
    """English, with the key and the values that it was made of.

    Attributes:
        key: of the catalogue, with `{name}` for each value.
        values: put in as they are; one that is `Said` itself is said in the visitor's language too.
    """

    __slots__ = ("key", "values")
    key: str
    values: dict[str, object]

    def __new__(cls, key: str, **values: object) -> Self:
        """Put the values in."""
        made = super().__new__(cls, key.format_map(values) if values else key)
        made.key, made.values = key, values
        return made


def said_of(error: Exception) -> str:
    """What an error says, `Said` where it was."""
    first = error.args[0] if error.args else ""
    return first if isinstance(first, str) else str(error)
