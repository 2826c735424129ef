"""What can go wrong with one peer while the others go on."""


class PeerFailed(Exception):
    """A peer's environment or run failed; the message is one line and begins with the peer's name."""
