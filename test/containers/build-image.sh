#!/usr/bin/env bash
# build-image.sh NAME JAVA_HOME TAG
#
# Makes a local image of one test server without any base image: the files of prepare.sh, this machine's Java and bash with the
# libraries that they load, and busybox. NAME is kafka, elasticsearch-8 or elasticsearch-9. Needs busybox-static.
set -euo pipefail
name=${1:?name} JAVA_HOME=${2:?java home} tag=${3:?tag}
export JAVA_HOME
here=$(cd "$(dirname "$0")" && pwd)
server=$("$here/../servers/prepare.sh" "$name")
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

mkdir -p "$root"/{bin,usr/bin,etc,opt/run,opt/java,tmp,var/lib/kafka/data,usr/share/elasticsearch/config}
chmod 755 "$root"
chmod 1777 "$root/tmp"
cp "$(command -v busybox)" "$root/bin/busybox"
"$root/bin/busybox" --list | grep -vx -e busybox -e bash | while read -r applet; do ln -s busybox "$root/bin/$applet"; done
ln -s /bin/busybox "$root/usr/bin/env"
cp -L "$(command -v bash)" "$root/bin/bash"
echo 'nobody:x:65534:65534:nobody:/tmp:/bin/sh' > "$root/etc/passwd"
echo 'nogroup:x:65534:' > "$root/etc/group"

# -L: Debian's Java keeps its settings under /etc and links to them. Without jmods and sources it is half the size.
tar -C "$JAVA_HOME" --exclude=./jmods --exclude=src.zip --exclude=./docs --exclude=./man --exclude=./legal --exclude=./demo -chf - . |
  tar -C "$root/opt/java" -xf -
# Every library that java, its own libraries and bash load, and the loader itself, at the places where they lie here.
find -L "$JAVA_HOME/bin/java" "$JAVA_HOME/lib" "$root/bin/bash" \( -name '*.so' -o -name java -o -name bash \) -type f -print0 |
  xargs -0 -n 1 ldd 2>/dev/null | grep -oE '(=> )?/[^ ]+ \(0x' | sed -E 's/^=> //; s/ \(0x$//' | sort -u |
  while read -r library; do
    case $library in "$JAVA_HOME"/* | /usr/lib/jvm/*) ;; *) mkdir -p "$root$(dirname "$library")" && cp -L "$library" "$root$library" ;; esac
  done

cp -r "$server" "$root/opt/server"
cp "$here"/../servers/run-*.sh "$here/entrypoint.sh" "$root/opt/run/"
chown -R 65534:65534 "$root/var/lib/kafka" "$root/usr/share/elasticsearch"
tar -C "$root" -c . | docker import -c "ENTRYPOINT [\"/opt/run/entrypoint.sh\", \"$name\"]" -c 'ENV JAVA_HOME=/opt/java' \
  -c 'ENV PATH=/bin:/usr/bin:/opt/java/bin' -c 'USER 65534:65534' - "$tag"
