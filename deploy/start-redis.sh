#!/bin/sh
# Starts the server with the users of redis-users.acl: passwords come from the environment and are kept as hashes only.
set -eu
umask 077

here=$(dirname "$0")
users=${USERS_FILE:-/run/redis/users.acl}
prefix=${BARBACK_PREFIX:-bull}
case $prefix in *[!A-Za-z0-9_:{}-]*)
    echo "BARBACK_PREFIX: expected letters, digits and _ : { } - alone" >&2
    exit 2
    ;;
esac

hash() { printf %s "$1" | sha256sum | cut -d ' ' -f 1; }

sed -e '/^#/d' -e '/^$/d' \
    -e "s/{worker}/$(hash "${REDIS_WORKER_PASSWORD:?}")/" \
    -e "s/{dashboard}/$(hash "${REDIS_DASHBOARD_PASSWORD:?}")/" \
    -e "s/{app}/$(hash "${REDIS_APP_PASSWORD:?}")/" \
    -e "s/{commands}/$(tr '\n' ' ' <"$here/redis-commands.txt")/" \
    -e "s/{prefix}/$prefix/" \
    "$here/redis-users.acl" >"$users"
unset REDIS_WORKER_PASSWORD REDIS_DASHBOARD_PASSWORD REDIS_APP_PASSWORD

# Protected mode would refuse other machines, because `default` has no password: all it may do is PING.
exec valkey-server --aclfile "$users" --protected-mode no \
    --appendonly yes --appendfsync everysec --maxmemory-policy noeviction "$@"
