"""`cafes migrate`."""

import click


@click.command()
def migrate() -> None:
    """Bring the database in DATABASE_URL to the schema of this release."""
    from barback.settings import load_settings
    from cafes.migrate import migrate as apply
    from cafes.settings import StoreSettings

    applied = apply(load_settings(StoreSettings).postgres_url())
    for name in applied:
        click.echo(f"applied {name}")
    if not applied:
        click.echo("up to date")
