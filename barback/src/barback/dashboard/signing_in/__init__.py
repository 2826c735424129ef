"""Who are you, and what may you do. Closed by default: a route that nobody thought of is guarded like all others.

gate.py       in front of the whole app: what may pass, and what is said to the rest
sign_in.py    puts the parts together, from the settings
pages.py      the sign-in page, and signing out
roles.py      viewer, operator, admin; who is signed in

A person is known by one of these, asked in this order:

sessions.py   a cookie, given for a password (accounts.py, passwords.py; attempts.py bounds the guessing);
              signed_out.py: ended before its time, known to all processes
proxy_user.py a header that a trusted proxy sets (callers.py: who is one)
supabase.py   a Supabase session (project_keys.py, session_cookie.py)
loopback.py   anyone on this machine, in development only
"""

from barback.dashboard.signing_in.passwords import hash_password
from barback.dashboard.signing_in.roles import Role, User, requires
from barback.dashboard.signing_in.settings import DashboardSettings
from barback.dashboard.signing_in.sign_in import TEMPLATES, SignIn
from barback.dashboard.signing_in.signed_out import SignedOutOnBoard

__all__ = ["TEMPLATES", "DashboardSettings", "Role", "SignIn", "SignedOutOnBoard", "User", "hash_password", "requires"]
