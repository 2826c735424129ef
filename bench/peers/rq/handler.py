"""What RQ's workers import."""

import time

from tally import RUN, tally


def rate(cafe):
    tally.started(cafe["sentNs"])
    if RUN.io_ms:
        time.sleep(RUN.io_ms / 1000)
    tally.ended()
