#!/usr/bin/env bash
# What process.terraform needs beside Debian's packages, from npm into BUILD/npm: Terraform's parser, and the argument names of the AWS
# provider, which a package of generated bindings carries (of 4,500 files only those of services that we write resources of are kept).
# Downloads some 75 MB once. Exit 1 where the registry is not there: the test then says that it was skipped.
# Usage: tests/process/install_terraform_tools.sh BUILD_FOLDER
set -euo pipefail
folder=$1/npm
parser=@cdktf/hcl2json@0.21.0
# The last release of bindings of each major version of the provider that the Terraform allows: 5.99.1 and 6.25.0.
providers=(19.65.1 21.22.1)

if ! command -v npm >/dev/null; then
  [ "$(id -u)" = 0 ] || { echo "npm is not installed" >&2; exit 1; }
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq && timeout 300 apt-get install -y -qq --no-install-recommends npm >/dev/null
fi
mkdir -p "$folder"
work=$(mktemp -d "$folder/download.XXXXXX")
trap 'rm -rf "$work"' EXIT

[ -d "$folder/node_modules/@cdktf/hcl2json" ] ||
  timeout 120 npm install --no-audit --no-fund --silent --fetch-retries=1 --prefix "$folder" "$parser"
for version in "${providers[@]}"; do
  [ -e "$folder/provider-aws-$version/cloudformation-stack" ] && continue
  rm -rf "$folder/provider-aws-$version"  # of an older list of services
  timeout 240 npm pack --silent --fetch-retries=1 --pack-destination "$work" "@cdktf/provider-aws@$version" >/dev/null
  mkdir "$work/$version"
  tar xzf "$work/cdktf-provider-aws-$version.tgz" -C "$work/$version" --strip-components=2 --wildcards \
    'package/lib/iot-*/index.js' 'package/lib/iam-role*/index.js' 'package/lib/dynamodb-table*/index.js' \
    'package/lib/lambda-*/index.js' 'package/lib/cloudwatch-log-group/index.js' 'package/lib/cloudformation-stack/index.js' 'package/lib/provider/index.js' \
    'package/lib/data-aws-caller-identity/index.js' 'package/lib/data-aws-iot-*/index.js' \
    'package/lib/data-aws-lambda-*/index.js'
  mv "$work/$version" "$folder/provider-aws-$version"
done
