#!/usr/bin/env bash
# prepare.sh kafka|elasticsearch-8|elasticsearch-9
#
# Makes a runnable server out of Maven Central's jars and prints its folder. A second call finds the folder and does nothing.
# Nothing is redistributed: the jars are resolved on this machine, into $MILLRACE_SERVERS_CACHE, which lies outside the work tree.
# Needs mvn; for Elasticsearch also the JDK in $JAVA_HOME (17 or newer for 8, 21 or newer for 9).
set -euo pipefail
name=${1:?kafka, elasticsearch-8 or elasticsearch-9}
cache=${MILLRACE_SERVERS_CACHE:?the folder for the jars}
here=$(cd "$(dirname "$0")" && pwd)
plugin=org.apache.maven.plugins:maven-dependency-plugin:3.8.1

case $name in
  kafka) version=4.4.0 ;;
  elasticsearch-8) version=8.19.21 ;;
  elasticsearch-9) version=9.5.3 ;;
  *) echo "unknown server: $name" >&2; exit 2 ;;
esac
# The checksum makes a changed recipe a new folder, so that nobody runs with yesterday's plugin.
recipe=$(cat "$here/prepare.sh" "$here/kafka/pom.xml" $(find "$here/elasticsearch" -type f | LC_ALL=C sort) | cksum | cut -d' ' -f1)
home=$cache/$name-$version-$recipe

umask 022
mkdir -p "$cache"
# One preparation at a time: test files start side by side, and Maven's local repository is not made for two writers.
exec 9>"$cache/prepare.lock"
if command -v flock >/dev/null; then flock 9; fi
if [ -d "$home" ]; then echo "$home"; exit 0; fi

building=$cache/.building-$name-$$
trap 'rm -rf "$building"' EXIT
mkdir -p "$building"
# Whatever Maven leaves in the folder where it runs goes with the folder.
cd "$building"

# jars POM FOLDER [MAVEN_ARGUMENT...]
jars() {
  local pom=$1 folder=$2
  shift 2
  mvn -B -ntp -q -f "$pom" "$@" "$plugin:copy-dependencies" -DincludeScope=runtime -DoutputDirectory="$folder" >&2
}

# extra_plugin CLASSPATH RELEASE FOLDER: compiles the plugin that answers GET / and puts it into FOLDER
extra_plugin() {
  local classpath=$1 release=$2 folder=$3
  mkdir -p "$folder"
  "$JAVA_HOME/bin/javac" --release "$release" -nowarn -proc:none -cp "$classpath" -d "$building/classes" \
    "$here/elasticsearch/plugin/common/local/esextra/RootHandler.java" \
    "$here/elasticsearch/plugin/${name#elasticsearch-}/local/esextra/ExtraPlugin.java" >&2
  "$JAVA_HOME/bin/jar" cf "$folder/esextra.jar" -C "$building/classes" local
  printf '%s\n' description=extra version=1 name=esextra classname=local.esextra.ExtraPlugin \
    java.version="$release" elasticsearch.version="$version" > "$folder/plugin-descriptor.properties"
  rm -rf "$building/classes"
}

case $name in
  kafka)
    jars "$here/kafka/pom.xml" "$building/lib" -Dkafka.version="$version"
    ;;
  elasticsearch-8)
    mvn -B -ntp -q "$plugin:unpack" -DoutputDirectory="$building/unpacked" -DmarkersDirectory="$building/markers" \
      -Dartifact="org.elasticsearch.distribution.integ-test-zip:elasticsearch:$version:zip" >&2
    mv "$building/unpacked/elasticsearch-$version"/* "$building/"
    rm -rf "$building/unpacked" "$building/markers"
    extra_plugin "$building/lib/*" 17 "$building/plugins/esextra"
    ;;
  elasticsearch-9)
    jars "$here/elasticsearch/pom.xml" "$building/lib" -Delasticsearch.version="$version"
    jars "$here/elasticsearch/pom.xml" "$building/all" -Delasticsearch.version="$version" -Pnetty
    netty=$building/modules/transport-netty4
    mkdir -p "$netty" "$building/launcher"
    for jar in "$building"/all/*.jar; do
      [ -f "$building/lib/$(basename "$jar")" ] || mv "$jar" "$netty/"
    done
    rm -rf "$building/all"
    printf '%s\n' description=netty version="$version" name=transport-netty4 java.version=21 elasticsearch.version="$version" \
      classname=org.elasticsearch.transport.netty4.Netty4Plugin modulename=org.elasticsearch.transport.netty4 \
      > "$netty/plugin-descriptor.properties"
    "$JAVA_HOME/bin/javac" --release 21 -nowarn -d "$building/launcher" "$here/elasticsearch/launcher/EsLauncher.java" >&2
    extra_plugin "$building/lib/*" 21 "$building/plugins/esextra"
    ;;
esac
# Elasticsearch 8 runs as another user when root starts it.
chmod -R a+rX "$building"
mv "$building" "$home"
echo "$home"
