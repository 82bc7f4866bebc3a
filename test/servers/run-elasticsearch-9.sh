#!/usr/bin/env bash
# run-elasticsearch-9.sh HOME DATA PORT TRANSPORT_PORT [key=value...]
#
# Runs one Elasticsearch 9 node on 127.0.0.1, in the foreground, through a launcher of our own: Maven Central has the jars of 9
# but no distribution. HOME is what prepare.sh printed; settings are Elasticsearch's own. Needs $JAVA_HOME: a full JDK, 21 or newer.
set -euo pipefail
home=${1:?server folder} data=${2:?data folder} port=${3:?port} transport_port=${4:?transport port}
shift 4
mkdir -p "$data"/{config,data,logs}
for folder in modules plugins lib; do ln -sfn "$home/$folder" "$data/$folder"; done
cat > "$data/config/log4j2.properties" <<P
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d][%-5p][%c{1.}] %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
P
exec "$JAVA_HOME/bin/java" -Xms512m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
  --enable-native-access=ALL-UNNAMED,org.elasticsearch.nativeaccess,org.elasticsearch.foreign,org.apache.lucene.core \
  -Dlog4j2.configurationFile="$data/config/log4j2.properties" -Dio.netty.noUnsafe=true -Dio.netty.noKeySetOptimization=true \
  --module-path "$home/lib" --add-modules=ALL-MODULE-PATH,java.net.http,jdk.net,jdk.management.agent \
  --add-exports org.elasticsearch.server/org.elasticsearch.bootstrap=ALL-UNNAMED \
  --add-opens org.elasticsearch.server/org.elasticsearch.plugins=ALL-UNNAMED \
  --add-opens org.elasticsearch.server/org.elasticsearch.common.logging=ALL-UNNAMED \
  --add-exports org.elasticsearch.nativeaccess/org.elasticsearch.nativeaccess=ALL-UNNAMED \
  -cp "$home/launcher" EsLauncher "$data" cluster.name=test node.name=n1 network.host=127.0.0.1 http.port="$port" \
  transport.port="$transport_port" discovery.type=single-node path.data="$data/data" \
  cluster.routing.allocation.disk.threshold_enabled=false "$@"
