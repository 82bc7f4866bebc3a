#!/usr/bin/env bash
# npm run test:containers: the integration tests against Kafka and Elasticsearch in containers, through testcontainers.
#
# For a Debian machine without a Docker daemon, and without a registry to pull images from: installs docker.io, starts dockerd on
# a socket and folders of its own with neither bridge nor iptables rules, and makes local images from Maven Central's jars. Stops
# the daemon and removes everything again at the end. Where a daemon runs already, `npm test` uses it without this.
# Arguments go to vitest in the place of test/integration.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=$PWD/test/containers
# Node 24, as npm scripts have it.
PATH=$PWD/node_modules/.bin:$PATH
if [ "$(id -u)" != 0 ]; then echo 'a daemon of its own needs root: run this as root, or let npm test use the daemon that is there' >&2; exit 1; fi

packages=()
need() { if ! command -v "$1" >/dev/null; then packages+=("$2"); fi; }
need dockerd docker.io
need busybox busybox-static
need javac default-jdk-headless
need mvn maven
if [ ${#packages[@]} -gt 0 ]; then
  export DEBIAN_FRONTEND=noninteractive
  # No service may start by itself: a daemon with its defaults would change this machine's network.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod +x "$policy"
  fi
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${packages[@]}"
  if [ "$(trap -p EXIT)" ]; then rm -f "$policy"; trap - EXIT; fi
fi

folder=$(mktemp -d /var/tmp/millrace-containers.XXXXXX)
daemon=''
finish() {
  if [ -n "$daemon" ]; then
    # Containers of a test that was killed go with their daemon.
    docker ps -q | xargs -r docker kill >/dev/null || true
    kill "$daemon" 2>/dev/null || true
    wait "$daemon" || true
  fi
  # The daemon leaves the mount of its network namespace behind.
  { grep -oE " $folder/[^ ]+ " /proc/mounts || true; } | sort -r | xargs -r umount
  rm -rf "$folder"
}
trap finish EXIT
trap 'exit 130' INT TERM

export DOCKER_HOST=unix://$folder/docker.sock
dockerd --data-root "$folder/data" --exec-root "$folder/exec" --pidfile "$folder/docker.pid" -H "$DOCKER_HOST" \
  --bridge=none --iptables=false --ip6tables=false --ip-forward=false >"$folder/dockerd.log" 2>&1 &
daemon=$!
until docker info >/dev/null 2>&1; do
  if ! kill -0 "$daemon" 2>/dev/null; then cat "$folder/dockerd.log" >&2; exit 1; fi
  sleep 0.2
done

export MILLRACE_SERVERS_CACHE=${MILLRACE_SERVERS_CACHE:-/var/cache/millrace-servers}
# jdk LOWEST: the oldest JDK here that is new enough, as the tests choose it themselves
jdk() { node --input-type=module -e "
  import { findJava } from '$PWD/test/helpers/java.ts'
  console.log((await findJava($1))?.home ?? '')"; }
java=$(jdk 17)
newer_java=$(jdk 21)
export MILLRACE_KAFKA_IMAGE=millrace-test/kafka:local
export MILLRACE_ELASTICSEARCH_8_IMAGE=millrace-test/elasticsearch-8:local
export MILLRACE_ELASTICSEARCH_9_IMAGE=millrace-test/elasticsearch-9:local
"$here/build-image.sh" kafka "$java" "$MILLRACE_KAFKA_IMAGE"
"$here/build-image.sh" elasticsearch-8 "$java" "$MILLRACE_ELASTICSEARCH_8_IMAGE"
if [ -n "$newer_java" ]; then "$here/build-image.sh" elasticsearch-9 "$newer_java" "$MILLRACE_ELASTICSEARCH_9_IMAGE"; fi

# No image of testcontainers' own helper is here, and without a bridge it cannot guess that ports are on this machine.
export TESTCONTAINERS_RYUK_DISABLED=true
export TESTCONTAINERS_HOST_OVERRIDE=127.0.0.1
export MILLRACE_SERVERS=containers
export MILLRACE_REQUIRE_SERVERS=1
if [ $# = 0 ]; then set -- test/integration; fi
npx vitest run "$@"
