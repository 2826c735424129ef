"""How often somebody may guess. In memory, bounded, one process's own."""

import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

TRIES = 20
BACK_S = 45.0
"""One more try comes back after so long: all of them within a quarter of an hour."""
KEYS = 10_000


class Attempts:
    """Tries for each key, which come back one by one. Of more than `KEYS` the longest unused are forgotten."""

    def __init__(self, tries: int = TRIES, back_s: float = BACK_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._tries, self._back_s, self._clock = tries, back_s, clock
        self._used: OrderedDict[str, tuple[float, float]] = OrderedDict()

    @property
    def keys(self) -> int:
        """How many are remembered."""
        return len(self._used)

    def wait_s(self, key: str) -> float:
        """How long until this key has a try. 0: it has one."""
        return max(0.0, (self._now_used(key) - (self._tries - 1)) * self._back_s)

    def take(self, key: str) -> None:
        """Use one up. Before the password is checked, or many at a time would all be let through."""
        self._keep(key, self._now_used(key) + 1)

    def give_back(self, key: str) -> None:
        """It was the right password."""
        self._keep(key, max(0.0, self._now_used(key) - 1))

    def _now_used(self, key: str) -> float:
        used, at = self._used.get(key, (0.0, 0.0))
        return max(0.0, used - (self._clock() - at) / self._back_s)

    def _keep(self, key: str, used: float) -> None:
        self._used[key] = (used, self._clock())
        self._used.move_to_end(key)
        if len(self._used) > KEYS:
            self._used.popitem(last=False)


class Guesses:
    """By account and by peer: one machine cannot try many names, nor many machines one name."""

    def __init__(self, by_account: Attempts | None = None, by_peer: Attempts | None = None) -> None:
        self._by_account, self._by_peer = by_account or Attempts(), by_peer or Attempts()

    def take(self, account: str, peer: str) -> float:
        """Use one up of both. Seconds to wait if there is none: then nothing was used up."""
        peer = _network_of(peer)
        wait_s = max(self._by_account.wait_s(account), self._by_peer.wait_s(peer))
        if not wait_s:
            self._by_account.take(account)
            self._by_peer.take(peer)
        return wait_s

    def give_back(self, account: str, peer: str) -> None:
        """It was the right password."""
        self._by_account.give_back(account)
        self._by_peer.give_back(_network_of(peer))


def _network_of(peer: str) -> str:
    """A household has 2^64 addresses of IPv6: they count as one."""
    try:
        address = ip_address(peer)
    except ValueError:
        return peer
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or int(address) >> 64)
    return peer
