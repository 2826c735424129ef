-- What the worker asks of the database: each function is one request, one transaction, and safe to ask twice.
-- They are functions so that a connection behind a transaction pooler, and Supabase's API, can do the same.

-- A slug of this base that no other cafe has. The caller holds the lock of the base's stem (see record_cafe).
create function public.free_slug(base text, cafe uuid) returns text
language plpgsql volatile set search_path = '' as $$
declare
    low bigint := 1;
    high bigint := 2;
    middle bigint;
begin
    if not exists (select from public.cafes c where c.slug = base and c.id <> cafe) then
        return base;
    end if;
    -- Double until one is free, then halve the gap: a chain of thousands is not walked through one by one.
    while exists (select from public.cafes c where c.slug = base || '-' || high) loop
        low := high;
        high := high * 2;
    end loop;
    while high - low > 1 loop
        middle := (low + high) / 2;
        if exists (select from public.cafes c where c.slug = base || '-' || middle) then
            low := middle;
        else
            high := middle;
        end if;
    end loop;
    return base || '-' || high;
end
$$;

-- Write a cleaned cafe and what was decided of its group, if that was decided on what is stored.
--
-- `input` is the input_hash that was cleaned, `seen` the version of the neighbours that were decided on ('': none).
-- `verdicts` holds one for this cafe and one for each neighbour.
-- Answers {"outcome": …}:
--   "recorded"  with `cities`: slugs of those whose numbers changed, `changed`: how many other cafes changed, `slug`
--   "overtaken" nothing was written: decide again, on these `neighbours`, whose version is `seen`
--   "stale"     nothing was written: the input changed, load it again
--   "gone"      there is no such cafe
create function public.record_cafe(cafe uuid, input text, seen text, cleaned jsonb, verdicts jsonb) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
    before public.cafes;
    me public.cafes;
    mine record;
    base text := cleaned ->> 'slug_base';
    new_city_id bigint;
    new_slug text;
    around jsonb;
    version text;
    theirs record;
    others integer := 0;
    other_city_id bigint;
    touched bigint[] := '{}';
begin
    select * into before from public.cafes c where c.id = cafe;
    if not found then
        return jsonb_build_object('outcome', 'gone');
    end if;

    -- One lock serves the group (same name, so same base) and the slug: 'bar', 'bar-2' and 'bar-2-2' share the stem
    -- 'bar', so nobody else can take a slug that is found free here. Old and new stem in one order, against deadlocks.
    perform pg_advisory_xact_lock(key) from (
        select distinct hashtextextended('cafes.stem:' || regexp_replace(s, '(-[0-9]+)+$', ''), 0) as key
        from unnest(array[base, before.slug]) s where s is not null order by key
    ) stems;

    -- A new snapshot: what was committed before the lock was ours is seen from here on.
    select * into me from public.cafes c where c.id = cafe;
    if not found then
        return jsonb_build_object('outcome', 'gone');
    end if;
    -- A changed slug: another worker moved it to a stem that is not locked here.
    if me.input_hash <> input or me.slug is distinct from before.slug then
        return jsonb_build_object('outcome', 'stale');
    end if;

    -- Those who could be decided differently because of this cafe, or it because of them: of its old group and its new
    -- one all that are no duplicate, and all that are younger. An older duplicate is neither: it decides nothing, and
    -- nothing younger decides it. So a cafe that is handed in ten thousand times does not read ten thousand rows.
    select id into new_city_id from public.cities c where c.slug = cleaned ->> 'city_slug';
    select
        jsonb_agg(jsonb_build_object(
            'id', n.id, 'position', n.position, 'city_slug', t.slug, 'name_key', n.name_key,
            'address_key', n.address_key, 'latitude', n.clean_latitude, 'longitude', n.clean_longitude,
            'problems', n.problems
        ) order by n.position)
    into around
    from public.cafes n
    join public.cities t on t.id = n.city_id
    where n.id <> cafe
        and (
            (n.city_id = new_city_id and n.name_key = cleaned ->> 'name_key')
            or (n.city_id = me.city_id and n.name_key = me.name_key)
        )
        and (n.status <> 'DUPLICATE' or n.position > me.position);

    version := coalesce(md5(around::text), '');
    if version <> seen then
        return jsonb_build_object('outcome', 'overtaken', 'seen', version, 'neighbours', coalesce(around, '[]'));
    end if;

    -- Cities before cafes, always: two that wait for each other's rows would be a deadlock.
    if new_city_id is null and cleaned ->> 'city_slug' is not null then
        insert into public.cities (slug, name) values (cleaned ->> 'city_slug', cleaned ->> 'city_name')
        on conflict (slug) do nothing;
        select id into new_city_id from public.cities c where c.slug = cleaned ->> 'city_slug';
    end if;

    -- A slug is an address that somebody may have linked to: it stays as long as it fits the name.
    new_slug := case
        when me.slug = base or me.slug ~ ('^' || base || '-[0-9]+$') then me.slug
        else public.free_slug(base, cafe)
    end;
    select * into strict mine from jsonb_to_recordset(verdicts)
        as v(id uuid, status public.cafe_status, reasons text[], duplicate_of uuid) where v.id = cafe;

    update public.cafes c set
        status = mine.status,
        reasons = mine.reasons,
        duplicate_of = mine.duplicate_of,
        city_id = new_city_id,
        slug = new_slug,
        clean_name = cleaned ->> 'name',
        clean_address = cleaned ->> 'address',
        clean_postcode = cleaned ->> 'postcode',
        clean_website = cleaned ->> 'website',
        clean_latitude = (cleaned ->> 'latitude')::double precision,
        clean_longitude = (cleaned ->> 'longitude')::double precision,
        name_key = cleaned ->> 'name_key',
        address_key = cleaned ->> 'address_key',
        problems = array(select jsonb_array_elements_text(cleaned -> 'problems')),
        processed_at = now(),
        updated_at = now()
    where c.id = cafe;

    -- One by one, by their keys: joined to a table that has grown since the plan was made, each would read all of it.
    for theirs in
        select * from jsonb_to_recordset(verdicts)
            as v(id uuid, status public.cafe_status, reasons text[], duplicate_of uuid) where v.id <> cafe
    loop
        update public.cafes c set
            status = theirs.status, reasons = theirs.reasons, duplicate_of = theirs.duplicate_of, updated_at = now()
        where c.id = theirs.id
            and (c.status, c.reasons, c.duplicate_of)
                is distinct from (theirs.status, theirs.reasons, theirs.duplicate_of)
        returning c.city_id into other_city_id;
        if found then
            others := others + 1;
            touched := touched || other_city_id;
        end if;
    end loop;

    if (me.city_id, me.status) is distinct from (new_city_id, mine.status) then
        touched := touched || me.city_id || new_city_id;
    end if;
    return jsonb_build_object(
        'outcome', 'recorded',
        'slug', new_slug,
        'changed', others,
        'cities', coalesce(
            (select jsonb_agg(c.slug order by c.slug) from public.cities c where c.id = any (touched)),
            '[]'
        )
    );
end
$$;

-- Count the cafes of these cities anew and write it. Answers an array of {slug, published, needs_review, duplicate};
-- a slug that no city has is missing in it.
create function public.recount_cities(slugs text[]) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
    counted jsonb;
begin
    -- First the locks, then the count, in two statements and so in two snapshots. In one, a recount that waited for
    -- another one would write numbers that it had read before it waited.
    perform from public.cities c where c.slug = any (slugs) order by c.id for no key update;

    with now_stored as (
        select
            t.id,
            count(*) filter (where c.status = 'PUBLISHED') as published,
            count(*) filter (where c.status = 'NEEDS_REVIEW') as needs_review,
            count(*) filter (where c.status = 'DUPLICATE') as duplicate
        from public.cities t
        left join public.cafes c on c.city_id = t.id
        where t.slug = any (slugs)
        group by t.id
    ), written as (
        update public.cities t set
            cafes_published = n.published,
            cafes_needs_review = n.needs_review,
            cafes_duplicate = n.duplicate,
            stats_updated_at = clock_timestamp()
        from now_stored n
        where t.id = n.id
        returning t.slug, n.published, n.needs_review, n.duplicate
    )
    select jsonb_agg(to_jsonb(w) order by w.slug) into counted from written w;
    return coalesce(counted, '[]');
end
$$;

-- Store rows of a file, in their order, which becomes their age; a row that was stored before is brought up to date.
-- Answers the cafes' ids.
create function public.import_cafes(cafes jsonb) returns uuid[]
language plpgsql volatile set search_path = '' as $$
declare
    ids uuid[];
begin
    -- One import at a time: two files that share rows in another order would wait for each other.
    perform pg_advisory_xact_lock(hashtextextended('cafes.import', 0));
    with given as (
        select r.* from rows from (
            jsonb_to_recordset(cafes) as (
                import_key text, name text, city text, city_slug text, address text, comments text, latitude text,
                longitude text, website text, postcode text
            )
        ) with ordinality as r(
            import_key, name, city, city_slug, address, comments, latitude, longitude, website, postcode, line
        )
    ), stored as (
        insert into public.cafes as c (
            import_key, name, city, city_slug, address, comments, latitude, longitude, website, postcode
        )
        select g.import_key, g.name, g.city, g.city_slug, g.address, g.comments, g.latitude, g.longitude, g.website,
            g.postcode
        from given g order by g.line
        on conflict (import_key) do update set
            name = excluded.name, city = excluded.city, city_slug = excluded.city_slug, address = excluded.address,
            comments = excluded.comments, latitude = excluded.latitude,
            longitude = excluded.longitude, website = excluded.website, postcode = excluded.postcode
        returning c.id, c.position
    )
    select array_agg(s.id order by s.position) into ids from stored s;
    return coalesce(ids, '{}');
end
$$;

-- Functions may be called by everybody unless somebody says otherwise, and Supabase's API offers them to the world.
do $$
declare
    callee text;
    caller text;
begin
    foreach callee in array array[
        'public.free_slug(text, uuid)',
        'public.record_cafe(uuid, text, text, jsonb, jsonb)',
        'public.recount_cities(text[])',
        'public.import_cafes(jsonb)'
    ] loop
        execute format('revoke all on function %s from public', callee);
        for caller in select rolname from pg_catalog.pg_roles where rolname in ('anon', 'authenticated') loop
            execute format('revoke all on function %s from %I', callee, caller);
        end loop;
        for caller in select rolname from pg_catalog.pg_roles where rolname = 'service_role' loop
            execute format('grant execute on function %s to %I', callee, caller);
        end loop;
    end loop;
end
$$;
