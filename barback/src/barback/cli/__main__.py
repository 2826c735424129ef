"""`python -m barback.cli`: the same as `barback`, for when a program starts it."""

from barback.cli import main

main(prog_name="barback")
