#!/bin/bash
# The MATLAB Runtime, which runs what the MATLAB Compiler has made, without a licence. It must be of the release that compiled the program.
set -euo pipefail

release=R2023b # as in run_*.sh
url=""         # of the runtime's zip file for Linux, from MathWorks's page "MATLAB Runtime"
sha256=""      # of that file: sha256sum FILE

if [ -z "$url" ] || [ -z "$sha256" ]; then
    echo "MATLAB Runtime: got no url, or no sha256, in provision/10-matlab-runtime.sh. Allowed: both, of the zip file for Linux of $release." \
        "Fill them in." >&2
    exit 78
fi

apt-get -o DPkg::Lock::Timeout=300 update
apt-get -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends ca-certificates curl unzip libxt6 libxmu6

curl --fail --location --silent --show-error --output /var/tmp/mcr.zip "$url"
echo "$sha256  /var/tmp/mcr.zip" | sha256sum --check
mkdir /var/tmp/mcr
unzip -q /var/tmp/mcr.zip -d /var/tmp/mcr
/var/tmp/mcr/install -mode silent -agreeToLicense yes -destinationFolder /opt/mcr
test -d "/opt/mcr/$release/runtime/glnxa64"
rm -rf /var/tmp/mcr /var/tmp/mcr.zip
