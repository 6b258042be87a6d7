#!/bin/bash
# Nothing changes by itself on a machine that computes: no updates of packages, no lock of apt while an analysis's image is built.
set -euo pipefail

cat > /etc/apt/apt.conf.d/99-neurocaas <<'APT'
APT::Periodic::Enable "0";
APT::Periodic::Update-Package-Lists "0";
APT::Periodic::Unattended-Upgrade "0";
DPkg::Lock::Timeout "300";
APT

# What `systemctl mask` does, also where systemd does not run.
mkdir -p /etc/systemd/system
for unit in apt-daily.timer apt-daily-upgrade.timer apt-daily.service apt-daily-upgrade.service unattended-upgrades.service; do
    ln -sfn /dev/null "/etc/systemd/system/$unit"
done

if [ -S /run/snapd.socket ]; then
    snap refresh --hold
else
    echo "no snapd here, hence no updates of snaps to hold"
fi
