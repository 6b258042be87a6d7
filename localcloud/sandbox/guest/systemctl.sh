#!/bin/sh
# systemctl of a local instance: there is no systemd. Power commands are real, enable/start/… are recorded and succeed, questions are answered from the record.
record=/var/lib/localcloud/systemctl.log
for argument in "$@"; do
  case "$argument" in
    -*) ;;
    poweroff|halt|reboot) exec "/usr/sbin/$argument" ;;
    enable|disable|start|stop|restart|reload|mask|unmask|daemon-reload|preset)
      mkdir -p /var/lib/localcloud && echo "$*" >> "$record"
      exit 0 ;;
    is-active) echo inactive; exit 3 ;;
    is-enabled)
      unit=""
      for unit in "$@"; do :; done
      if grep -q "^enable.* ${unit%.service}\(\.service\)\?\( \|\$\)" "$record" 2> /dev/null; then echo enabled; exit 0; fi
      echo disabled
      exit 1 ;;
    *) echo "systemctl $*: a local instance has no systemd" >&2; exit 1 ;;
  esac
done
