#!/bin/bash

## Import functions for workflow management.
## Get the path to this function:
execpath="$0"
echo execpath
scriptpath="$(dirname "$execpath")/ncap_utils"

source "$scriptpath/workflow.sh"
## Import functions for data transfer
source "$scriptpath/transfer.sh"

## Set up error logging.
errorlog

#source .dlamirc

export PATH="/home/ubuntu/anaconda3/bin:$PATH"

source activate epi

## Declare local storage locations:
userhome="/home/ubuntu"
datastore="epi/scripts/localdata/"
configstore="/home/ubuntu/"
outstore="mock_results/"
## Make local storage locations
accessdir "$userhome/$datastore" "$userhome/$outstore"

## Stereotyped download script for data. The only reason this comes after something custom is because we depend upon the AWS CLI and installed credentials.
download "$inputpath" "$bucketname" "$datastore"

## Stereotyped download script for config:
download "$configpath" "$bucketname" "$configstore"

waittime=$(jq .wait "$configstore/$configname")
sleep $waittime

cd "mock_results"
aws s3 sync ./ "s3://$bucketname/$groupdir/$processdir"
