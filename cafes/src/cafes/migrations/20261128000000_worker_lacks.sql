-- What a worker lacks that connects as the caller: asked at each start, and by the doctor.

-- Answers {"user", "read_only", "missing", "rights", "hidden"}: who asks; whether nothing can be written; tables and
-- functions that are not there; rights that the caller has not ('update on cafes'); tables whose rows row-level security
-- hides.
create function public.worker_lacks() returns jsonb
language sql stable set search_path = '' as $$
    with needed (name, id, wanted) as (
        select t.name, to_regclass('public.' || t.name)::oid, t.wanted
        from (values
            ('cities', array['select', 'insert', 'update']),
            ('cafes', array['select', 'insert', 'update']),
            ('claims', array['select', 'insert', 'update', 'delete'])
        ) t (name, wanted)
    ), called (name, id) as (
        select split_part(f.name, '(', 1), to_regprocedure('public.' || f.name)::oid
        from unnest(array[
            'free_slug(text, uuid)',
            'record_cafe(uuid, text, text, jsonb, jsonb)',
            'recount_cities(text[])',
            'import_cafes(jsonb)',
            'once(text)',
            'forget_claims(double precision, integer)',
            'city_slugs()',
            'no_cafes()'
        ]) f (name)
    ), missing (what) as (
        select 'table ' || n.name from needed n where n.id is null
        union all select 'function ' || c.name from called c where c.id is null
    ), forbidden (what) as (
        -- One by one: asked for several at once, Postgres says whether there is any of them.
        select w || ' on ' || n.name from needed n, unnest(n.wanted) w where not has_table_privilege(n.id, w)
        union all select 'execute on ' || c.name from called c where not has_function_privilege(c.id, 'execute')
    )
    select jsonb_build_object(
        'user', current_user,
        -- Not that of this transaction: the API opens one that only reads for a function that does.
        'read_only', current_setting('default_transaction_read_only')::boolean or pg_is_in_recovery(),
        'missing', (select coalesce(jsonb_agg(m.what order by m.what), '[]') from missing m),
        'rights', (select coalesce(jsonb_agg(f.what order by f.what), '[]') from forbidden f),
        'hidden', (select coalesce(jsonb_agg(n.name order by n.name), '[]') from needed n where row_security_active(n.id))
    )
$$;

do $$
declare
    caller text;
begin
    revoke all on function public.worker_lacks() from public;
    for caller in select rolname from pg_catalog.pg_roles where rolname in ('anon', 'authenticated') loop
        execute format('revoke all on function public.worker_lacks() from %I', caller);
    end loop;
    for caller in select rolname from pg_catalog.pg_roles where rolname = 'service_role' loop
        execute format('grant execute on function public.worker_lacks() to %I', caller);
    end loop;
end
$$;

notify pgrst, 'reload schema';
