#!/bin/sh
# Starts the server with the users of redis-users.acl: passwords come from the environment and are kept as hashes only.
set -eu
umask 077

here=$(dirname "$0")
users=${USERS_FILE:-/run/redis/users.acl}

hash() { printf %s "$1" | sha256sum | cut -d ' ' -f 1; }

sed -e '/^#/d' -e '/^$/d' \
    -e "s/{worker}/$(hash "${REDIS_WORKER_PASSWORD:?}")/" \
    -e "s/{dashboard}/$(hash "${REDIS_DASHBOARD_PASSWORD:?}")/" \
    -e "s/{app}/$(hash "${REDIS_APP_PASSWORD:?}")/" \
    -e "s/{commands}/$(tr '\n' ' ' <"$here/redis-commands.txt")/" \
    "$here/redis-users.acl" >"$users"
unset REDIS_WORKER_PASSWORD REDIS_DASHBOARD_PASSWORD REDIS_APP_PASSWORD

exec valkey-server --aclfile "$users" --appendonly yes --appendfsync everysec --maxmemory-policy noeviction "$@"
