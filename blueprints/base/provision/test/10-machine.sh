#!/bin/bash
# A fresh machine has the tools, changes nothing by itself, and can be reached by Systems Manager, which development instances and the
# builds of the images that stand on this one need. Ubuntu's images and the Deep Learning AMIs bring its agent.
set -euo pipefail

aws --version
apt-config dump | grep -Fx 'APT::Periodic::Unattended-Upgrade "0";'

if [ -d /run/systemd/system ]; then
    systemctl is-active snap.amazon-ssm-agent.amazon-ssm-agent.service || systemctl is-active amazon-ssm-agent.service
else
    echo "no systemd here: a sandbox of the local cloud needs no agent of Systems Manager"
fi
