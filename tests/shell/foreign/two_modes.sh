#!/bin/bash

execpath="$0"
scriptpath="$neurocaasrootdir/ncap_utils"
source "$scriptpath/workflow.sh"
source "$scriptpath/transfer.sh"

errorlog
source .dlamirc
export PATH="/home/ubuntu/anaconda3/bin:$PATH"
source activate tracker
errorlog

userhome="/home/ubuntu"
datastore="ncapdata/localdata/"
outstore="ncapdata/localout/"
accessdir "$userhome/$datastore" "$userhome/$outstore"

echo $inputpath $bucketname $datastore
download "$inputpath" "$bucketname" "$datastore"
download "$configpath" "$bucketname" "$datastore"
configname=$(python $neurocaasrootdir/ncap_utils/yamltojson.py "$userhome"/"$datastore"/"$configname")

mode=$(cat "$userhome/$datastore/$configname" | jq '.mode' | sed 's/"//g')
if [ $mode == "test" ]
then
    modelpath=$(cat "$userhome/$datastore/$configname" | jq '.modeldata.modelpath' | sed 's/"//g')
    aws s3 sync "s3://""$bucketname"/"$modelpath" "$userhome/models/"$(basename "$modelpath")""
    cd models
    cat */weights > "$userhome/$datastore/tracks.csv"
    touch "$userhome/$datastore/video.mp4"
    cd "$userhome"/"$datastore"
    find -iname "*.csv" -exec cp {} "$userhome"/"$outstore" \;
    find -iname "*.mp4" -exec cp {} "$userhome"/"$outstore" \;
    cd "$userhome"
else
    echo "Mode $mode not recognized. Valid options are train or test. Exiting"
    exit
fi
upload "$outstore" "$bucketname" "$groupdir" "$processdir" "mp4"
