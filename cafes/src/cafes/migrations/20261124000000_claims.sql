-- Claims: which effects are done, so that each is done once although its job may run twice.

create table public.claims (
    key text primary key check (length(key) between 1 and 300),
    claimed_at timestamptz not null default now()
);
create index claims_by_age on public.claims (claimed_at);
alter table public.claims enable row level security;

-- True: the claim is yours, do the effect in this transaction. False: a transaction that committed has done it.
-- While another transaction holds the claim this waits until that one ends: committed is false, rolled back is true.
--
-- Claim and effect must commit together. A connection does both in one transaction. Supabase's API has one transaction a
-- request, so there the effect is a function of its own, called by one `rpc`:
--
--     create function public.charge_once(job text, cents integer) returns boolean
--     language plpgsql volatile set search_path = '' as $f$
--     begin
--         if not public.once('charge-cafe:' || job || ':charge') then
--             return false;
--         end if;
--         insert into public.charges (job, cents) values (job, cents);
--         return true;
--     end
--     $f$;
create function public.once(key text) returns boolean
language plpgsql volatile set search_path = '' as $$
begin
    insert into public.claims (key) values (once.key) on conflict do nothing;
    return found;
end
$$;

-- Remove at most `at_most` claims older than `older_than_s` seconds, the oldest first. Answers how many it removed.
create function public.forget_claims(older_than_s double precision, at_most integer) returns integer
language plpgsql volatile set search_path = '' as $$
declare
    forgotten integer;
begin
    delete from public.claims where claims.key in (
        select c.key from public.claims c
        where c.claimed_at < now() - make_interval(secs => older_than_s)
        order by c.claimed_at limit at_most
        for update skip locked
    );
    get diagnostics forgotten = row_count;
    return forgotten;
end
$$;

-- As for the other tables and functions: nobody but the owner and the service role.
do $$
declare
    callee text;
    caller text;
begin
    for caller in select rolname from pg_catalog.pg_roles where rolname in ('anon', 'authenticated') loop
        execute format('revoke all on public.claims from %I', caller);
    end loop;
    foreach callee in array array[
        'public.once(text)',
        'public.forget_claims(double precision, integer)'
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
