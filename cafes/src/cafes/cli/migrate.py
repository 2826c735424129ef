"""`cafes migrate`."""

import click


@click.command()
def migrate() -> None:
    """Bring the database in DATABASE_URL to the schema of this release.

    Asking twice changes nothing, and a state that these migrations do not lead on from is refused. The history is the
    Supabase CLI's: `supabase db push` does the same (docs/supabase.md).
    """
    from barback.settings import load_settings
    from cafes.migrate import migrate as apply
    from cafes.settings import StoreSettings

    applied = apply(load_settings(StoreSettings).migrated_url())
    for name in applied:
        click.echo(f"applied {name}")
    if not applied:
        click.echo("up to date")
