"""MessagePack, as BullMQ's scripts take their arguments."""

from typing import Any, cast

import msgpack


def pack(value: Any) -> bytes:
    """Encode for cmsgpack. A lone surrogate in a text becomes JSON's way to write it (\\udNNN) and breaks nothing."""
    packed = msgpack.packb(value, use_bin_type=True, unicode_errors="backslashreplace")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return cast("bytes", packed)
