"""Where a request comes from. What it says of itself is believed only if a trusted proxy says it."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from starlette.requests import HTTPConnection

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Caller:
    """What can be relied on."""

    peer: str
    """The address of the machine the request comes from; empty: it came through a Unix socket."""
    by_proxy: bool
    """A trusted proxy passed it on: its headers are true."""
    https: bool
    """The browser speaks HTTPS, to us or to the proxy."""
    host: str
    """The host and port that the browser sees, in small letters."""


class Callers:
    """Knows the trusted proxies, and the origins under which people see the dashboard."""

    def __init__(self, proxies: Sequence[Network] = (), origins: Sequence[str] = ()) -> None:
        self._proxies = proxies
        self._https = bool(origins) and all(origin.startswith("https://") for origin in origins)

    def of(self, request: HTTPConnection) -> Caller:
        """Of this request."""
        connected = request.client.host if request.client else ""
        by_proxy = self._is_proxy(_address(connected))
        scheme, host = str(request.scope["scheme"]), request.headers.get("host", "")
        peer = connected
        if by_proxy:
            peer = self._first_stranger(request, connected)
            scheme = _last(request, "x-forwarded-proto") or scheme
            host = _last(request, "x-forwarded-host") or host
        return Caller(peer, by_proxy, self._https or scheme.lower() == "https", host.lower())

    def _first_stranger(self, request: HTTPConnection, connected: str) -> str:
        """From the right: each proxy adds whom it got the request from; further left anyone may have written."""
        peer = connected
        for text in reversed(",".join(request.headers.getlist("x-forwarded-for")).split(",")):
            address = _address(text.strip())
            if address is None:
                return peer
            peer = str(address)
            if not self._is_proxy(address):
                return peer
        return peer

    def _is_proxy(self, address: IPv4Address | IPv6Address | None) -> bool:
        return address is not None and any(address in network for network in self._proxies)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _last(request: HTTPConnection, header: str) -> str:
    return ",".join(request.headers.getlist(header)).rpartition(",")[2].strip()
