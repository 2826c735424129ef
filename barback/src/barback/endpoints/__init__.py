"""What a worker answers over HTTP: `/live`, `/ready`, `/metrics`."""

from barback.endpoints.serving import serve

__all__ = ["serve"]
