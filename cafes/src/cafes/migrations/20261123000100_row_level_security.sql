-- Anybody may read cities and published cafes, through Supabase's API or its roles; nobody may write there.
-- The service role bypasses row-level security, and so does the owner that a worker connects as.

alter table public.cities enable row level security;
alter table public.cafes enable row level security;

-- Supabase's roles do not exist on plain Postgres. They are not created here: roles belong to the whole server, not to
-- this database, creating them asks for a right that a service should not have, and without them nothing is missing.
-- Row-level security without a policy lets nobody in, which is the safe side to be on.
do $$
declare
    readers text;
begin
    select string_agg(quote_ident(rolname), ', ') into readers
    from pg_catalog.pg_roles where rolname in ('anon', 'authenticated');

    if readers is not null then
        execute format('create policy "cities are readable" on public.cities for select to %s using (true)', readers);
        execute format(
            'create policy "published cafes are readable" on public.cafes for select to %s using (status = ''PUBLISHED'')',
            readers
        );
        -- Supabase grants new tables whole to these roles. Row-level security does not cover truncate, and hides rows,
        -- not columns: comments are notes of the editors.
        execute format('revoke all on public.cities, public.cafes from %s', readers);
        execute format('grant select on public.cities to %s', readers);
        execute format(
            'grant select (id, status, city_id, slug, name, city, city_slug, address, clean_name, clean_address, '
            'clean_postcode, clean_website, clean_latitude, clean_longitude, created_at, updated_at) '
            'on public.cafes to %s',
            readers
        );
    end if;
end
$$;
