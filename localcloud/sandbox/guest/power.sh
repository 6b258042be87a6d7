#!/bin/sh
# shutdown, poweroff, halt, reboot, init, telinit of a local instance: the fleet is the machine, so it is told.
# Delays (`shutdown +5`) are waited for in the background, as the real program does.
request=poweroff
delay=0
case "${0##*/}" in reboot) request=reboot ;; esac
case "${0##*/}" in
  init|telinit)
    case "${1:-}" in
      0) ;;
      6) request=reboot ;;
      *) exit 0 ;;
    esac ;;
esac
for argument in "$@"; do
  case "$argument" in
    -r|--reboot) request=reboot ;;
    -c) exit 0 ;;
    +[0-9]*) delay=$((${argument#+} * 60)) ;;
  esac
done
if [ "$delay" -gt 0 ]; then
  (sleep "$delay"; echo "$request" > "${LOCALCLOUD_CONTROL:-/run/localcloud/control}") > /dev/null 2>&1 &
else
  echo "$request" > "${LOCALCLOUD_CONTROL:-/run/localcloud/control}"
fi
