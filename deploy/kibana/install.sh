#!/usr/bin/env bash
# Installs the data views, searches and charts of exchange.ndjson into Kibana 8 or 9, over what is there of them.
#
#   deploy/kibana/install.sh [URL]        default: $KIBANA_URL, else http://127.0.0.1:5601
#
#   KIBANA_API_KEY                        or KIBANA_USER and KIBANA_PASSWORD, where Kibana asks for one
#   KIBANA_SPACE                          the space to install into; default: the default one
#   KIBANA_WAIT_S                         how long to wait until Kibana answers; default: 120
set -euo pipefail

url="${1:-${KIBANA_URL:-http://127.0.0.1:5601}}"
url="${url%/}"
api="$url${KIBANA_SPACE:+/s/$KIBANA_SPACE}/api"
objects="$(cd "$(dirname "$0")" && pwd)/exchange.ndjson"

# Through standard input, for what stands on a command line can be read by every user of the machine.
kibana() {
  local escaped='s/[\\"]/\\&/g'
  {
    if [ -n "${KIBANA_API_KEY:-}" ]; then
      printf 'header = "Authorization: ApiKey %s"\n' "$(sed "$escaped" <<<"$KIBANA_API_KEY")"
    elif [ -n "${KIBANA_USER:-}" ]; then
      printf 'user = "%s"\n' "$(sed "$escaped" <<<"$KIBANA_USER:${KIBANA_PASSWORD:-}")"
    fi
  } | curl --config - --silent --show-error --max-time 60 --header 'kbn-xsrf: millrace' "$@"
}

deadline=$((SECONDS + ${KIBANA_WAIT_S:-120}))
until status="$(kibana --output /dev/null --write-out '%{http_code}' "$url/api/status" 2>/dev/null)" && [ "$status" = 200 ]; do
  if [ "$status" = 401 ] || [ "$status" = 403 ]; then
    echo "Kibana at $url refuses the log-in ($status): set KIBANA_API_KEY, or KIBANA_USER and KIBANA_PASSWORD" >&2
    exit 1
  fi
  if [ "$SECONDS" -ge "$deadline" ]; then
    echo "Kibana at $url does not answer (status ${status:-none}): is it running, and is that its address?" >&2
    exit 1
  fi
  sleep 1
done

answer="$(kibana --request POST --form "file=@$objects;type=application/ndjson" --write-out '\n%{http_code}' "$api/saved_objects/_import?overwrite=true")"
code="${answer##*$'\n'}"
body="${answer%$'\n'*}"
# Kibana says 200 also where it took only a part.
if [ "$code" != 200 ] || ! grep -q '"success":true' <<<"$body"; then
  echo "Kibana did not take all of $objects (status $code): $body" >&2
  exit 1
fi
echo "installed $(wc -l <"$objects") objects into $url: Discover and Visualize list them"
