"""`python -m cafes.sample --rows 100000 --seed 7 --out FILE`."""

from cafes.cli.sample import sample

if __name__ == "__main__":
    sample()
