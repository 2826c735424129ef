"""An effect that happens once although its job may run twice (P3)."""

from typing import Any

from psycopg import AsyncConnection
from psycopg.pq import TransactionStatus

from barback.errors import UsageError

LONGEST_KEY = 300


async def once(transaction: AsyncConnection[Any], key: str) -> bool:
    """Claim an effect within the transaction that does it. True: do it now. False: it was done, and committed, before.

        async with store.transaction() as transaction:
            if await once(transaction, f"{ctx.job_name}:{ctx.job_id}:charge"):
                await transaction.execute("insert into charges …")

    Guards what this very transaction writes, and nothing else: a mail or a call to another service is not undone by a
    rollback, nor done by a commit. If another transaction holds the claim, waits until it ends.

    `key` names the effect, 1 to `LONGEST_KEY` characters: the job's name, its id, and which of its effects. Ids begin
    anew when Redis is emptied, and claims do not: where that may happen, and where two jobs may ask for the same thing,
    name the thing itself, `f"invoice:{invoice_id}:charge"`. A claim is kept for 30 days (see `Store.forget_claims`).

    :raises UsageError: the key is empty or too long, or the connection is in autocommit and in no transaction.
    :raises psycopg.Error: as `execute` does; at the end of `PostgresStore.transaction` it is one of the store's errors.
    """
    if not 1 <= len(key) <= LONGEST_KEY or "\0" in key:
        raise UsageError(f"once: expected a key of 1 to {LONGEST_KEY} characters without NUL, got {key[:50]!r}.")
    if transaction.autocommit and transaction.info.transaction_status == TransactionStatus.IDLE:
        raise UsageError(
            "once: the connection is in no transaction, so the claim would commit without its effect. "
            "Use `async with store.transaction() as transaction:` and do both in it."
        )
    answer = await (await transaction.execute("select public.once(%s)", (key,))).fetchone()
    return bool(answer and answer[0])
