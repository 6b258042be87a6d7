#!/bin/sh
execpath="$0" # a script that was meant for sh, changes IFS, checks $? itself and works beside its own process
scriptpath="$neurocaasrootdir"/"ncap_utils"
source "$scriptpath/workflow.sh"
source "$scriptpath/transfer.sh"
errorlog

TMPDIR=/home/ubuntu/tmp
INDIR=$TMPDIR/input/
OUTDIR=$TMPDIR/output/
mkdir -p $INDIR
mkdir -p $OUTDIR

list_files () {
    echo "first:a.txt,second:b.txt"
}
file_output=$(list_files)
if [ $? != 0 ];
then
    echo "Error while parsing config, exiting ..."
    exit 1
fi

IFS=',' read -ra FILES <<< "$file_output"
IFS=','
for file in "${FILES[@]}" ; do
    FILETYPE="${file%:*}"
    FILENAME="${file#*:}"
    eval "$FILETYPE=\"$FILENAME\""
    aws s3 cp "s3://$bucketname/$(dirname "$inputpath")/$FILENAME" "$INDIR"
done
download "$groupdir/inputs/$first" "$bucketname" "$OUTDIR"

( while true; do sleep 0.05; date > $TMPDIR/beat; done ) &
beat=$!
cat $INDIR/$first $INDIR/$second > $OUTDIR/both.txt
kill $beat
aws s3 sync $OUTDIR "s3://$bucketname/$groupdir/$processdir"
cd $OUTDIR
false | true
grep -q nothing both.txt || echo "no nothing"
python -c 'import sys; sys.exit(7)'
echo "never"
