#!/bin/bash
# First process of a local instance: what cloud-init does with user data, no more. Arguments: instance id, then the parts to run, in order.
instance=$1
shift
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
