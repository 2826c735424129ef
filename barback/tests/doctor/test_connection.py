"""What the doctor says of servers that refuse us in words of their own."""

import pytest
from redis.exceptions import ClusterDownError, MasterDownError, NoPermissionError, RedisError, ResponseError

from barback.bullmq.connection import Connection
from barback.doctor.connection import check_connection
from barback.errors import BrokerUnavailable

SCRIPT = "Command # 1 (SCRIPT LOAD --[[\n  Adds a job\n]]) of pipeline caused error: ('User x may not',)"
REFUSED: list[tuple[RedisError, str, str]] = [
    (
        ResponseError("DENIED Redis is running in protected mode because …"),
        "is in protected mode",
        "Give it a password",
    ),
    (MasterDownError("Link with MASTER is down"), "Link with MASTER is down", "point REDIS_URL at the master"),
    (ClusterDownError("Hash slot not served"), "Hash slot not served", "CLUSTER INFO"),
    (NoPermissionError(SCRIPT), "what is needed: User x may not", "deploy/redis-users.acl"),
]


@pytest.mark.parametrize(("error", "text", "advice"), REFUSED, ids=[type(one).__name__ for one, *_ in REFUSED])
def test_it_says_what_is_refused_and_what_to_do(error: RedisError, text: str, advice: str) -> None:
    connection = Connection("redis://127.0.0.1:1", 0)
    with pytest.raises(BrokerUnavailable) as raised, connection.translated():
        raise error
    [finding] = check_connection(raised.value, in_container=False)
    assert text in finding.text
    assert "Adds a job" not in finding.text
    assert advice in finding.advice
