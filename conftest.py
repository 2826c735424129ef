"""Imported before every test; its two imports are all it is for."""

# pytest names a test file after its path (`barback.tests.…`) and would make a package `barback` out of that folder, in
# which nothing of the real one is found. Where the real ones are imported already it takes those.
import barback
import cafes

__all__ = ["barback", "cafes"]
