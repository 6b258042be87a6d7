#!/bin/sh
# sudo of a local instance: everything runs as root already. -u USER is honoured where more than one user id exists.
user=root
while [ $# -gt 0 ]; do
  case "$1" in
    -u|--user) user=$2; shift 2 ;;
    -g|-p|-C|-h|-T) shift 2 ;;
    --) shift; break ;;
    -i|-s) shift; [ $# -gt 0 ] || set -- /bin/bash ;;
    -*) shift ;;
    *=*) export "${1?}"; shift ;;
    *) break ;;
  esac
done
[ $# -gt 0 ] || exit 0
if [ "$user" != root ] && [ "$(wc -l < /proc/self/uid_map)" -gt 0 ] && ! grep -q ' 1$' /proc/self/uid_map; then
  exec setpriv --reuid "$user" --regid "$user" --init-groups -- "$@"
fi
exec "$@"
