#!/bin/bash
# First process of a local instance: what cloud-init does with user data, no more.
# Arguments: instance id, a descriptor that ends when the fleet does, then the parts to run, in order.
instance=$1
fleet=$2
shift 2
# Bubblewrap asks the kernel to die with its parent when it is up, about now. A fleet that was killed just before is noticed here, now and a second later.
if read -r -t 0 -u "$fleet"; then exit 1; fi
(sleep 1; if read -r -t 0 -u "$fleet"; then kill -KILL $$; fi) < /dev/null > /dev/null 2>&1 &
eval "exec $fleet<&-"
status=0
echo "Cloud-init v. localcloud running 'modules:final' on $instance ($(uname -n)), $(date -u '+%a, %d %b %Y %H:%M:%S +0000')"
for part in "$@"; do
  "$part" < /dev/null
  code=$?
  if [ $code -ne 0 ]; then
    status=$code
    echo "cc_scripts_user.py[WARNING]: Failed to run ${part##*/}: exit status $code"
  fi
done
echo "Cloud-init v. localcloud finished at $(date -u '+%a, %d %b %Y %H:%M:%S +0000'). Datasource DataSourceEc2Local. exit status $status"
exec sleep infinity  # a machine stays up after its user data ended
