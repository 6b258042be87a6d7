#!/bin/bash
# A development instance ends its own cost: it switches itself off (its disk stays) when its Timeout has passed, or when nobody
# works on it and nothing runs on it for @IDLE@ minutes. Written where cloud-init runs it at every start.
install -d /var/lib/cloud/scripts/per-boot
cat > /var/lib/cloud/scripts/per-boot/neurocaas-development <<'WATCH'
#!/bin/bash
imds=http://169.254.169.254/latest
meta() {
  local token
  token=$(curl -sf -m 5 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "$imds/api/token") || return 1
  curl -sf -m 5 -H "X-aws-ec2-metadata-token: $token" "$imds/meta-data/$1"
}
used() {  # somebody on a terminal, an analysis, or real work
  ps -eo tty= | grep -q '^pts/' && return 0
  pgrep -f 'run_main.sh|ssm-session-worker|neurocaas_contrib' > /dev/null && return 0
  awk '{ exit !($2 > 0.3) }' /proc/loadavg
}
watch() {
  [ "$(meta tags/instance/neurocaas-dev)" = On ] || return 0  # a machine that was started from an image of a development instance
  local begun=$SECONDS last=$SECONDS minutes
  while sleep 60; do
    used && last=$SECONDS
    minutes=$(meta tags/instance/Timeout) || minutes=
    if [ -n "$minutes" ] && [ $((SECONDS - begun)) -ge $((minutes * 60)) ]; then
      echo "NeuroCAAS: the timeout of $minutes minutes has passed"
      break
    fi
    if [ $((SECONDS - last)) -ge $((@IDLE@ * 60)) ]; then
      echo "NeuroCAAS: nothing has happened here for @IDLE@ minutes"
      break
    fi
  done
  shutdown -h now
}
watch < /dev/null >> /var/log/neurocaas-development.log 2>&1 &
WATCH
chmod 755 /var/lib/cloud/scripts/per-boot/neurocaas-development
/var/lib/cloud/scripts/per-boot/neurocaas-development
