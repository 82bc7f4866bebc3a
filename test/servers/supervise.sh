#!/usr/bin/env bash
# supervise.sh DATA COMMAND...
#
# Runs COMMAND in a process group of its own. When our standard input closes, which it also does when the test process is
# killed, the whole group dies and DATA is removed: no test run leaves a server behind. Exits with COMMAND's status.
# Prints the group's id as its only line; what COMMAND prints goes to DATA/server.log.
set -u
data=$1
shift
# The shell's own word on a killed job belongs to the log too, not to the test's output.
exec 2>>"$data/server.log"
setsid "$@" </dev/null >>"$data/server.log" 2>&1 &
child=$!
echo "$child"
{
  # A builtin, not cat: killing this watcher must leave no reader behind.
  while read -r _; do :; done
  trap '' TERM
  kill -KILL -- "-$child" 2>/dev/null
  rm -rf "$data"
} <&0 &
watcher=$!
wait "$child"
status=$?
kill "$watcher" 2>/dev/null
exit "$status"
