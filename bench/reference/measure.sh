#!/usr/bin/env bash
# measure.sh DIRECTORY - what the NSO memory measurement tool does each second, process group by process group:
# pgrep -f twice, of each process pmap -d and its status, of the host four lines of /proc/meminfo, date, touch; each figure
# by a pipe of its own. The groups' patterns are in the environment, a line each: arguments would match them.
# A line in is one such second; out: what times(1p) says of the shell and of its children so far, and the processes seen.
directory=$1
mapfile -t patterns <<<"$PATTERNS"
group() {
  local pattern=$1 file=$2 pid alloc rss commit limit total free now
  if [ -z "$(pgrep -f -- "$pattern")" ]; then return; fi
  touch "$file"
  commit=$(cat /proc/meminfo | grep Committed_AS | awk '{print $2}')
  limit=$(cat /proc/meminfo | grep CommitLimit | awk '{print $2}')
  total=$(cat /proc/meminfo | grep MemTotal | awk '{print $2}')
  free=$(cat /proc/meminfo | grep MemFree | awk '{print $2}')
  now=$(date +%H:%M:%S)
  for pid in $(pgrep -f -- "$pattern"); do
    [ "$pid" != $$ ] && [ -r "/proc/$pid/status" ] || continue
    alloc=$(pmap -d "$pid" | grep writeable/private | awk '{print $4}' | egrep -o '[0-9.]+' 2>/dev/null)
    rss=$(cat "/proc/$pid/status" | grep VmRSS | awk '{print $2}')
    [ -n "$rss" ] || continue
    processes=$((processes + 1))
    echo "$now $rss $alloc $commit $limit $((total - free)) $total $pid" >>"$file"
  done
}
while read -r _; do
  processes=0 number=0
  for pattern in "${patterns[@]}"; do
    number=$((number + 1))
    group "$pattern" "$directory/group$number.data" 2>/dev/null
  done
  times >"$directory/times"
  mapfile -t spent <"$directory/times"
  echo "${spent[*]} $processes"
done
