"""The driver itself: both versions are what they say, and answer."""

import pytest

from .process import Node, NodeError
from .side import NodeQueue


async def test_both_versions_are_those_that_are_promised(node: Node) -> None:
    assert await node.call(6, "", "versions") == {"5": "5.81.5", "6": "6.7.0"}


async def test_node_works_what_node_enqueued(theirs: NodeQueue) -> None:
    await theirs.start_worker()
    job_id = await theirs.add("any", {"ä": [1, None, "\ud800\u2028"]})
    assert await theirs.wait_until_finished(job_id) == {"ä": [1, None, "\ud800\u2028"]}
    await theirs.saw("completed", job_id, prev="active")
    assert (await theirs.get(job_id)).state == "completed"


async def test_an_error_in_node_arrives_in_its_own_words(theirs: NodeQueue) -> None:
    with pytest.raises(NodeError, match="Custom Id cannot be integers"):
        await theirs.add("any", {}, jobId="5")
    with pytest.raises(NodeError, match="no job nobody in"):
        await theirs.promote("nobody")
