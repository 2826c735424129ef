"""The files for containers: nothing in them dangles, and what they start works as processes (P43, P44)."""
