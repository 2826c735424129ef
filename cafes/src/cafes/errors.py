"""Every error the service itself raises; the root and the exit codes are barback's.

BarbackError
├── UsageError
│   ├── MigrationRefused    the database is in a state that these migrations do not lead on from; exit code 2
│   └── NotCsv              a file cannot be read as a list of cafes; exit code 2
├── ImportBroken            an import stopped half-way: the store or the queue failed; exit code 1
├── StoreUnavailable        the database cannot be reached, or refuses us; exit code 2 at start
└── StoreError              the database answered, but could not do it; exit code 1
"""

from barback.errors import BarbackError, UsageError


class StoreUnavailable(BarbackError):
    """The database cannot be reached, or refuses us. Whether the last statement was written cannot be known."""

    exit_code = 2


class StoreError(BarbackError):
    """The database answered, but could not do what was asked."""


class MigrationRefused(UsageError):
    """The database's state is not one that these migrations lead on from. Nothing was changed."""


class NotCsv(UsageError):
    """The file cannot be read as a list of cafes. The message names the file, what is wrong, and what to do."""

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(f"{file}: {reason}")


class ImportBroken(BarbackError):
    """An import stopped half-way. Nothing is lost: importing the same file again updates what it has stored."""

    def __init__(self, file: str, line: int, taken: int, error: BarbackError) -> None:
        super().__init__(
            f"{file}: broken off in the batch that begins in line {line}, with {taken} rows taken: {error} "
            "Import the same files again once that is mended: nothing is stored twice."
        )
