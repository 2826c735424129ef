"""What every command is given: the project, the app, the settings. Read when asked for, so that `--help` needs none."""

import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from barback.app import AnyApp
from barback.cli.app_lookup import find_app_path, find_project, load_app
from barback.cli.running_dev import borrow_environment
from barback.errors import SettingsError
from barback.settings import Settings, check_settings, load_settings


@dataclass
class Invocation:
    """One call of the command line."""

    app_path: str | None = None
    """As given with `--app`; None: not given."""
    debug: bool = False

    @cached_property
    def project(self) -> Path:
        """The folder of the project's pyproject.toml, or the working directory."""
        return find_project(Path.cwd())

    @property
    def data_folder(self) -> Path:
        """Where `barback dev` keeps its data."""
        return self.project / ".barback"

    @cached_property
    def full_app_path(self) -> str:
        """`package.module:attribute`."""
        return find_app_path(self.app_path, self.project)

    @property
    def app(self) -> AnyApp:
        """:raises UsageError: it cannot be found or loaded, or settings are wrong; names every wrong one."""
        return self._checked[0]

    @property
    def settings(self) -> Settings:
        """Barback's own. Raises as `app`."""
        return self._checked[1]

    def command_line(self, *arguments: str) -> list[str]:
        """What starts another `barback` for the same app."""
        debug = ["--debug"] if self.debug else []
        return [sys.executable, "-m", "barback.cli", "--app", self.full_app_path, *debug, *arguments]

    @cached_property
    def _checked(self) -> tuple[AnyApp, Settings]:
        app = load_app(self.full_app_path, self.project)
        check_settings((Settings, *app.settings), app.registry.queues)
        return app, load_settings(Settings)

    def settings_or_dev(self) -> Settings:
        """The settings; without `REDIS_URL` the server of this project's running `barback dev`.

        :raises SettingsError: there is neither.
        """
        _ = self.app  # whose settings must be right, too
        return self.own_settings_or_dev()

    def own_settings_or_dev(self) -> Settings:
        """The same without the app, for what does not need it. Raises as `settings_or_dev`, for barback's settings."""
        settings = load_settings(Settings)
        if settings.redis_url is None:
            borrow_environment(self.data_folder)
            settings = load_settings(Settings)
        if settings.redis_url is None:
            raise SettingsError(
                "REDIS_URL is not set and no 'barback dev' runs in this project. "
                "Set it to your Redis (redis://host:6379), or start 'barback dev' in another terminal."
            )
        return settings
