-- What a worker needs to do all its work through Supabase's API: two more functions, and the tables beneath them.

-- The slugs of all cities, sorted. One value, because the API cuts off answers after 1,000 rows.
create function public.city_slugs() returns text[]
language sql stable set search_path = '' as $$
    select coalesce(array_agg(c.slug order by c.slug), '{}') from public.cities c
$$;

-- Whether there is no cafe at all. Also what a worker asks at its start: only the right key may, and only this schema can.
create function public.no_cafes() returns boolean
language sql stable set search_path = '' as $$
    select not exists (select from public.cafes)
$$;

do $$
declare
    callee text;
    caller text;
begin
    foreach callee in array array['public.city_slugs()', 'public.no_cafes()'] loop
        execute format('revoke all on function %s from public', callee);
        for caller in select rolname from pg_catalog.pg_roles where rolname in ('anon', 'authenticated') loop
            execute format('revoke all on function %s from %I', callee, caller);
        end loop;
        for caller in select rolname from pg_catalog.pg_roles where rolname = 'service_role' loop
            execute format('grant execute on function %s to %I', callee, caller);
        end loop;
    end loop;

    -- Functions run as their caller. Supabase granted every new table to the service role until 2026 and does not since.
    for caller in select rolname from pg_catalog.pg_roles where rolname = 'service_role' loop
        execute format('grant select, insert, update, delete on public.cities, public.cafes, public.claims to %I', caller);
    end loop;
end
$$;

-- Where Supabase does not do so by itself: the API shall look at what there is now.
notify pgrst, 'reload schema';
