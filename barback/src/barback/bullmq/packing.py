"""MessagePack, as BullMQ's scripts take their arguments."""

from typing import Any, cast

import msgpack

from barback.errors import InvalidOptions


def pack(value: Any) -> bytes:
    """Encode for cmsgpack. A lone surrogate in a text becomes JSON's way to write it (\\udNNN) and breaks nothing.

    :raises InvalidOptions: a whole number is larger than the wire can carry; only options hold numbers of any size.
    """
    try:
        packed = msgpack.packb(value, use_bin_type=True, unicode_errors="backslashreplace")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    except OverflowError:
        raise InvalidOptions("An option cannot be stored: a number is larger than 2**64 - 1.") from None
    return cast("bytes", packed)
