"""How connections are kept."""

import select
import socket
from urllib.parse import urlsplit

import pytest

from .conftest import Site

UVICORN_ENDS_IT_AFTER_S = 5.0


@pytest.mark.slow
def test_a_connection_that_a_proxy_keeps_is_not_ended_under_it(site: Site) -> None:
    """B7. Next.js keeps it for ever, and answers 500 if it ends just as it is used again."""
    there = urlsplit(site.url)
    assert there.hostname
    assert there.port
    with socket.create_connection((there.hostname, there.port), timeout=10.0) as kept:
        request = f"GET {there.path}/sign-in HTTP/1.1\r\nHost: {there.netloc}\r\n\r\n".encode()
        kept.sendall(request)
        assert kept.recv(65_536).startswith(b"HTTP/1.1 ")
        kept.setblocking(False)
        while select.select([kept], [], [], UVICORN_ENDS_IT_AFTER_S + 1.0)[0]:
            assert kept.recv(65_536), "it was ended"
