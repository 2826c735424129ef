"""Imported before every test; its two imports are all it is for."""

# pytest names a test file after its path (`barback.tests.…`) and would make a package `barback` out of that folder, in
# which nothing of the real one is found. Where the real ones are imported already it takes those.
import barback  # noqa: F401
import cafes  # noqa: F401
