"""Users of the project's Supabase: a token it signed says who they are, `app_metadata` in it what they may do."""

from typing import Any, cast

import jwt
import structlog
from pydantic import SecretStr
from starlette.requests import HTTPConnection

from barback.dashboard.signing_in.project_keys import Keys
from barback.dashboard.signing_in.refusals import Refused
from barback.dashboard.signing_in.roles import Role, User, as_name
from barback.dashboard.signing_in.session_cookie import access_token

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.dashboard")

PUBLIC_KEY_ALGORITHMS = ["ES256", "RS256"]
LEGACY_ALGORITHM = "HS256"
AUDIENCE = "authenticated"
LEEWAY_S = 5.0
TOKEN_LIMIT = 16 * 1024


class Supabase:
    """Knows a user by the token in `Authorization: Bearer …`, or else by the cookie of their session."""

    def __init__(self, url: str, cookie: str, keys: Keys, legacy_secret: SecretStr | None = None) -> None:
        self._issuer = f"{url}/auth/v1"
        self._cookie, self._keys, self._legacy_secret = cookie, keys, legacy_secret

    async def user_of(self, request: HTTPConnection) -> User | None:
        """None: there is no token, or it is not to be believed.

        :raises Refused: 403, a user of the project without a role; 503, its keys cannot be fetched.
        """
        token = _bearer(request) or access_token(request.cookies, self._cookie)
        if not token or len(token) > TOKEN_LIMIT:
            return None
        try:
            claims = await self._verified(token)
        except jwt.PyJWTError as error:
            log.info("a Supabase token was refused", reason=type(error).__name__)
            return None
        return _user(claims)

    async def _verified(self, token: str) -> dict[str, Any]:
        header = jwt.get_unverified_header(token)
        # Which keys is decided by us for each of two kinds. One list for both would take a public key for a secret.
        if header.get("alg") == LEGACY_ALGORITHM and self._legacy_secret:
            return self._decode(token, self._legacy_secret.get_secret_value(), [LEGACY_ALGORITHM])
        key_id = header.get("kid")
        if header.get("alg") not in PUBLIC_KEY_ALGORITHMS or not isinstance(key_id, str):
            raise jwt.InvalidAlgorithmError
        key = await self._keys.get(key_id)
        if key is None:
            raise jwt.InvalidKeyError
        return self._decode(token, key, PUBLIC_KEY_ALGORITHMS)

    def _decode(self, token: str, key: jwt.PyJWK | str, algorithms: list[str]) -> dict[str, Any]:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=algorithms,
            audience=AUDIENCE,
            issuer=self._issuer,
            leeway=LEEWAY_S,
            options={"require": ["exp", "iss", "aud", "sub"], "strict_aud": True},
        )
        if claims.get("role") != "authenticated" or claims.get("is_anonymous"):
            raise jwt.InvalidTokenError
        return claims


def _bearer(request: HTTPConnection) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _user(claims: dict[str, Any]) -> User:
    # Never `user_metadata`: users write that themselves.
    metadata: object = claims.get("app_metadata")
    role = Role.of(cast("dict[str, Any]", metadata).get("barback_role")) if isinstance(metadata, dict) else None
    name = as_name(claims.get("email")) or as_name(claims.get("sub"))
    if role is None or name is None:
        raise Refused(
            403, "You are signed in, but have no role here: app_metadata.barback_role is viewer, operator or admin."
        )
    return User(name, role)
