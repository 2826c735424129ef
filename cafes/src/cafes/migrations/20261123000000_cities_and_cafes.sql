-- Cities and cafes. Runs as it is on Supabase (`supabase db push`) and on plain Postgres 14 or newer.

create table public.cities (
    id bigint generated always as identity primary key,
    slug text not null unique check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
    name text not null,
    country_code char(2) check (country_code ~ '^[A-Z]{2}$'),
    latitude double precision check (latitude between -90 and 90),
    longitude double precision check (longitude between -180 and 180),
    -- Statistics: written by job update-cafe-stats alone.
    cafes_published integer not null default 0,
    cafes_needs_review integer not null default 0,
    cafes_duplicate integer not null default 0,
    stats_updated_at timestamptz,
    created_at timestamptz not null default now()
);

comment on column public.cities.stats_updated_at is 'When the statistics were last counted. Null: never.';

create type public.cafe_status as enum ('PENDING', 'PUBLISHED', 'NEEDS_REVIEW', 'DUPLICATE');

create table public.cafes (
    id uuid primary key default gen_random_uuid(),
    -- Age: of two cafes the one with the lower position is the original. A clock could give two of them one moment.
    position bigint not null generated always as identity,

    -- As handed in, by the directory's app or an import. All text: what cannot be read is a reason, not a failed insert.
    name text not null default '',
    city text not null default '',
    city_slug text not null default '',
    address text not null default '',
    comments text not null default '',
    latitude text not null default '',
    longitude text not null default '',
    website text not null default '',
    postcode text not null default '',
    -- Identity of a row of a file. Null: the cafe did not come from a file.
    import_key text unique,
    -- Tells a job that the input changed while it was at work on it.
    input_hash text not null generated always as (md5(
        name || e'\x1f' || city || e'\x1f' || city_slug || e'\x1f' || address || e'\x1f' || latitude || e'\x1f'
        || longitude || e'\x1f' || website || e'\x1f' || postcode
    )) stored,

    -- As cleaned and decided: written by job process-cafe alone (public.record_cafe).
    status public.cafe_status not null default 'PENDING',
    reasons text[] not null default '{}',
    duplicate_of uuid references public.cafes (id) on delete set null,
    city_id bigint references public.cities (id),
    slug text unique check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
    clean_name text,
    clean_address text,
    clean_postcode text,
    clean_website text,
    clean_latitude double precision,
    clean_longitude double precision,
    name_key text,
    address_key text,
    problems text[] not null default '{}',

    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    processed_at timestamptz,

    check ((status = 'DUPLICATE') or duplicate_of is null),
    check (status <> 'PUBLISHED' or (slug is not null and city_id is not null))
);

comment on column public.cafes.reasons is 'Why it is not published: ''code: sentence'' each. Empty when it is.';
comment on column public.cafes.problems is 'What cleaning found wrong; reasons holds these and those that depend on other cafes.';

-- The group of a cafe: all of its city that bear its name.
create index cafes_city_id_name_key on public.cafes (city_id, name_key);
-- Statistics read this index alone.
create index cafes_city_id_status on public.cafes (city_id, status);
-- For `on delete set null`.
create index cafes_duplicate_of on public.cafes (duplicate_of) where duplicate_of is not null;
