#!/usr/bin/env bash
# run-elasticsearch-8.sh HOME DATA PORT TRANSPORT_PORT [key=value...]
#
# Runs one Elasticsearch 8 node on 127.0.0.1, in the foreground. HOME is what prepare.sh printed; settings are Elasticsearch's
# own. Files in DATA/config (users, users_roles, roles.yml) that are there already win. Needs $JAVA_HOME (17 or newer).
# Elasticsearch 8 refuses to run as root: started by root, this drops to the user nobody.
set -euo pipefail
home=${1:?server folder} data=${2:?data folder} port=${3:?port} transport_port=${4:?transport port}
shift 4
mkdir -p "$data"/{data,logs,tmp,config/jvm.options.d}
for file in jvm.options log4j2.properties role_mapping.yml roles.yml users users_roles; do
  if [ ! -f "$data/config/$file" ] && [ -f "$home/config/$file" ]; then cp "$home/config/$file" "$data/config/"; fi
done
# Compiled once, quickly: a start takes half the processor time (15 s instead of 30), and tests start many and run none for long.
printf '%s\n' -Xms512m -Xmx512m -XX:TieredStopAtLevel=1 -XX:-HeapDumpOnOutOfMemoryError > "$data/config/jvm.options.d/heap.options"
cat > "$data/config/elasticsearch.yml" <<Y
cluster.name: test
node.name: n1
path.data: $data/data
path.logs: $data/logs
network.host: 127.0.0.1
http.port: $port
transport.port: $transport_port
discovery.type: single-node
cluster.routing.allocation.disk.threshold_enabled: false
Y
security=false
settings=()
for setting in "$@"; do
  case $setting in
    xpack.security.enabled=*) security=${setting#*=} ;;
    *) settings+=("-E$setting") ;;
  esac
done
echo "xpack.security.enabled: $security" >> "$data/config/elasticsearch.yml"
as_user=()
if [ "$(id -u)" = 0 ]; then
  chown -R 65534:65534 "$data"
  as_user=(setpriv --reuid=65534 --regid=65534 --clear-groups)
fi
exec env -i PATH="$PATH" HOME="$data" ES_JAVA_HOME="$JAVA_HOME" ES_PATH_CONF="$data/config" ES_TMPDIR="$data/tmp" LIBFFI_TMPDIR="$data/tmp" \
  "${as_user[@]}" bash "$home/bin/elasticsearch" "${settings[@]}"
