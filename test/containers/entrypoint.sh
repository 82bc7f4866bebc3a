#!/usr/bin/env bash
# The entry point of the local images of test/containers/run.sh. It takes its settings from the environment as the official
# images do, so that the tests need not know which of the two they run: KAFKA_A_B is Kafka's a.b, and a variable with a dot
# in its name is Elasticsearch's setting of that name.
set -euo pipefail
server=${1:?kafka, elasticsearch-8 or elasticsearch-9}
port='' transport_port=''
settings=()
while IFS='=' read -r name value; do
  case $server:$name in
    kafka:KAFKA_*)
      key=${name#KAFKA_}
      key=${key,,}
      settings+=("${key//_/.}=$value")
      ;;
    elasticsearch-*:http.port) port=$value ;;
    elasticsearch-*:transport.port) transport_port=$value ;;
    # Elasticsearch 9 is here without the module that knows this one.
    elasticsearch-9:xpack.security.enabled) ;;
    elasticsearch-*:*.*) settings+=("$name=$value") ;;
  esac
done < <(env)
case $server in
  # The listeners among the settings win over these ports.
  kafka) exec /opt/run/run-kafka.sh /opt/server /var/lib/kafka/data 9092 9093 "${settings[@]}" ;;
  *) exec "/opt/run/run-$server.sh" /opt/server /usr/share/elasticsearch "${port:-9200}" "${transport_port:-9300}" "${settings[@]}" ;;
esac
