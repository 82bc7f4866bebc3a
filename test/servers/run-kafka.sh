#!/usr/bin/env bash
# run-kafka.sh HOME DATA PORT CONTROLLER_PORT [key=value...]
#
# Runs a broker that is its own controller (KRaft) on 127.0.0.1, in the foreground. HOME is what prepare.sh printed. DATA is
# formatted on the first run and taken as it is afterwards, so that a second run is a restart. Needs $JAVA_HOME (17 or newer).
# KAFKA_SCRAM_USER=name=NAME,password=PASSWORD makes a user for SCRAM-SHA-512 in the first run.
set -euo pipefail
home=${1:?server folder} data=${2:?data folder} port=${3:?port} controller_port=${4:?controller port}
shift 4
java=$JAVA_HOME/bin/java
mkdir -p "$data/logs"
cat > "$data/server.properties" <<P
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller_port
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller_port
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=$data/logs
num.partitions=1
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=true
log.retention.hours=24
P
for setting in "$@"; do printf '%s\n' "$setting" >> "$data/server.properties"; done
if [ ! -f "$data/logs/meta.properties" ]; then
  id=$("$java" -cp "$home/lib/*" kafka.tools.StorageTool random-uuid)
  "$java" -cp "$home/lib/*" kafka.tools.StorageTool format -t "$id" -c "$data/server.properties" \
    ${KAFKA_SCRAM_USER:+--add-scram "SCRAM-SHA-512=[$KAFKA_SCRAM_USER]"}
fi
exec "$java" -Xms256m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Djava.awt.headless=true -cp "$home/lib/*" kafka.Kafka "$data/server.properties"
