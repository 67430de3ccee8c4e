#!/usr/bin/env bash
# Debian's docker-registry 2.8.2+ds1-1 with the configuration that the package itself installs: auth.htpasswd.path
# is /etc/docker/registry, the directory of the file. It starts without a word; a client without a password gets the
# right 401, and one with a password gets 400 with an empty body, as no registry answers it elsewhere, so `docker
# login` says nothing of what is wrong. Only the log of each request names the directory. Whoever reads such a
# file instead has to expect that its htpasswd path is no file.
set -euo pipefail

work=$(mktemp -d)
server=
trap 'if [ -n "$server" ]; then kill "$server"; fi; rm -rf "$work"' EXIT
cd "$work"

apt-get download -q docker-registry=2.8.2+ds1-1 >/dev/null 2>&1
dpkg-deb -x docker-registry_*.deb package
package/usr/bin/docker-registry --version

# the package's file, with another address and other directories of the same kind
port=$((20000 + RANDOM % 10000))
mkdir users
sed -e "s|addr: :5000|addr: 127.0.0.1:$port|" -e "s|/var/lib/docker-registry|$work/images|" \
    -e "s|path: /etc/docker/registry\$|path: $work/users|" package/etc/docker/registry/config.yml >config.yml
grep -A2 htpasswd config.yml
package/usr/bin/docker-registry serve config.yml >log 2>&1 &
server=$!
base=http://127.0.0.1:$port
curl -s --retry 50 --retry-connrefused --retry-delay 1 "$base/" >/dev/null

without=$(curl -s -o /dev/null -w '%{http_code}' "$base/v2/")
with=$(curl -s -o body -w '%{http_code}' -u user:word "$base/v2/")
echo "without a password: $without; with one: $with, $(wc -c <body) bytes"
grep -om1 'read [^ ]* is a directory' log
[ "$without" = 401 ] && [ "$with" = 400 ] && [ ! -s body ]
