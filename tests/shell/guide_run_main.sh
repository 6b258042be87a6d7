execpath="$0"
scriptpath="$(dirname "$execpath")/ncap_utils"
## Get in absolute path loader:
source "$scriptpath/paths.sh"

set -a
neurocaasrootdir=$(dirname $(get_abs_filename "$execpath"))
set +a

source "$scriptpath/workflow.sh"
## Import functions for data transfer
source "$scriptpath/transfer.sh"

set -a
parseargsstd "$1" "$2" "$3" "$4"
set +a

echo $bucketname >> "/home/ubuntu/check_vars.txt"
echo $groupdir >> "/home/ubuntu/check_vars.txt"
echo $resultdir >> "/home/ubuntu/check_vars.txt"
echo $processdir >> "/home/ubuntu/check_vars.txt"
echo $dataname >> "/home/ubuntu/check_vars.txt"
echo $inputpath >> "/home/ubuntu/check_vars.txt"
echo $configname >> "/home/ubuntu/check_vars.txt"
echo $configpath >> "/home/ubuntu/check_vars.txt"

## Set up Error Status Reporting:
errorlog_init

## Set up STDOUT and STDERR Monitoring:
errorlog_background &
background_pid=$!
echo $background_pid, "is the pid of the background process"

## MAIN SCRIPT GOES HERE #####################

bash "$5" > "$neurocaasrootdir"/joboutput.txt 2>"$neurocaasrootdir"/joberror.txt
##############################################
## Cleanup: figure out how the actual processing went.
## MUST BE RUN IMMEDIATELY AFTER PROCESSING SCRIPTS TO GET ERROR CODE CORRECTLY.
errorlog_final

## Once this is all over, send the config and end.txt file
aws s3 cp s3://"$bucketname"/"$configpath" s3://"$bucketname"/"$groupdir"/"$processdir"/$configname
aws s3 cp "$neurocaasrootdir"/update.txt s3://"$bucketname"/"$groupdir"/"$processdir"/
kill "$background_pid"
