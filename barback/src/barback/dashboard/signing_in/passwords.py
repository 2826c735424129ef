"""Passwords: kept as scrypt hashes, compared in the same time whether right or wrong, refused if easily guessed.

scrypt is in the standard library, and OWASP's second choice (2^15, 8, 3: 32 MB and some 0.2 s a try).
"""

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable

SHORTEST = 12
LONGEST = 1_000
COST, BLOCK, PARALLEL = 15, 8, 3
COST_LEAST, COST_MOST, BLOCK_MOST, PARALLEL_MOST = 14, 17, 8, 4
"""Of a hash that somebody else made: hard enough to guess, and a try must not take the machine down."""
SALT_BYTES, HASH_BYTES = 16, 32

# No character that a shell, a .env file, Docker Compose or our own lists would read as theirs.
HASH = re.compile(r"scrypt\.([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{1,2})\.([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{43})")

WORDS = """
    administrator admin operator viewer changeme changethis change replace default password passwort passwd pass
    secret letmein welcome please dashboard barback bullmq bull redis supabase sidekiq queues queue example test
    hello user root guest login qwertyuiop qwertz qwerty asdfghjkl asdf zxcvbnm abcdefgh abcdef abc iloveyou
    monkey dragon football your my the me it now
""".split()  # noqa: SIM905 — one could not read the list
LEET = str.maketrans("013457@$!", "oleastasi")


def hash_password(password: str, salt: bytes | None = None) -> str:
    """A hash for `DASHBOARD_PASSWORD_HASH` and `DASHBOARD_USERS`: `scrypt.15.8.3.<salt>.<hash>`."""
    salt = salt or secrets.token_bytes(SALT_BYTES)
    digest = _scrypt(password, salt, COST, BLOCK, PARALLEL)
    return f"scrypt.{COST}.{BLOCK}.{PARALLEL}.{_text(salt)}.{_text(digest)}"


def is_hash(text: str) -> bool:
    """Whether it was made by `hash_password`, and costs no more than we want to pay."""
    found = HASH.fullmatch(text)
    if not found:
        return False
    cost, block, parallel = (int(found[group]) for group in (1, 2, 3))
    return COST_LEAST <= cost <= COST_MOST and 1 <= block <= BLOCK_MOST and 1 <= parallel <= PARALLEL_MOST


def verify(password: str, hashed: str) -> bool:
    """Whether it is that password. Slow on purpose: call it in a thread."""
    found = HASH.fullmatch(hashed)
    if not found or len(password) > LONGEST:
        return False
    cost, block, parallel = (int(found[group]) for group in (1, 2, 3))
    digest = _scrypt(password, _bytes(found[4]), cost, block, parallel)
    return hmac.compare_digest(digest, _bytes(found[5]))


def weakness(password: str, user: str) -> str | None:
    """Why a password is refused, without showing it; None: it is not."""
    if len(password) < SHORTEST:
        return f"expected at least {SHORTEST} characters"
    if len(password) > LONGEST:
        return f"expected at most {LONGEST} characters"
    if _is_made_of([user.casefold()], password.casefold()):
        return "expected something else than the name of the user"
    if len(set(password)) < 5 or _is_made_of(WORDS, password.casefold()):
        return "expected something else than digits and the words that everybody tries first"
    return None


def _is_made_of(words: Iterable[str], password: str) -> bool:
    """Whether hardly anything is left without these words, digits and punctuation."""
    for text in (password, password.translate(LEET)):
        rest = text
        for word in sorted(words, key=len, reverse=True):
            rest = rest.replace(word, "")
        if len(re.sub(r"[\W\d_]", "", rest)) < 4:
            return True
    return False


def _scrypt(password: str, salt: bytes, cost: int, block: int, parallel: int) -> bytes:
    memory = 256 * block * 2**cost  # twice what it needs: OpenSSL counts its own as well
    secret = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(secret, salt=salt, n=2**cost, r=block, p=parallel, maxmem=memory, dklen=HASH_BYTES)


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
