"""Real Node on the other side: npm `bullmq` 6.7.0 and 5.81.5 in one process, and Python, on one Redis (P18).

`driver.cjs` is the process and `process.py` speaks to it; `side.py` is one queue as Node sees it, `stored.py` the same
in Redis. package.json overrides the optional `msgpackr-extract` because a lock file needs all its platforms'
builds, and 3.0.4 is the newest that is published for each.
"""
