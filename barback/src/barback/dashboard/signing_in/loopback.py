"""Development without a way to sign in: whoever sits at this machine is its admin, and nobody else is let in."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from barback.dashboard.signing_in.roles import Role, User

DEVELOPER = User("developer", Role.ADMIN)


def is_from_this_machine(request: HTTPConnection) -> bool:
    """Connected from here, to a name of this machine (another site's may point here), and passed on from here."""
    headers = request.headers
    hosts = [headers.get("host", ""), *headers.getlist("x-forwarded-host")]
    peers = [request.client.host if request.client else ""]
    peers += [peer.strip() for value in headers.getlist("x-forwarded-for") for peer in value.split(",")]
    return "forwarded" not in headers and all(map(_is_local_name, hosts)) and all(map(_is_loopback, peers))


def _is_local_name(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return name == "localhost" or name.endswith(".localhost") or _is_loopback(name)


def _is_loopback(text: str) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
