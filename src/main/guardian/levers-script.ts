import { LEVERS_READING } from "./levers-reading.ts";

/**
 * What the guardian of levers runs (core/levers/journal.ts): POSIX shell, builtins only for what keeps others from running
 * (cgroups, stopped processes), as a fork may fail in a crisis; renice(1), ip(8), tc(8) and virsh(1) after that. A cgroup is
 * its inode, a process its start time. Between the look at a process and the SIGCONT is nothing but that; sent to another
 * who got the number in between, it is nothing to one that is not stopped.
 *
 * Arguments: the directory of the journals; where proc(5) is; `stay`, `once` or `again` (script.ts); where the kernel log
 * is, may be empty. Descriptor 3 is the lock. What is done begins when stdin is at its end.
 */
// A dollar before a brace would be TypeScript's own: @{ stands for it.
export const LEVERS_SCRIPT: string = String.raw`
journals=$1 proc=$2 mode=$3 kmsg=$4
exec 4>&2 2>/dev/null
trap '' INT TERM HUP QUIT PIPE USR1 USR2
forking=no
begin_anew() {
  [ $forking = no ] ||
    exec /bin/sh -c 'eval "$PLIMSOLL_GUARDIAN"' plimsoll-guardian "$journals" "$proc" again "$kmsg" 2>&4
}
trap begin_anew EXIT
for wish in -1000 -900 -500 -100; do
  echo $wish >"$proc/self/oom_score_adj" && break
done
echo ready
exec >/dev/null

last=
while IFS= read -r line; do last=$line; done
${LEVERS_READING}# Whether the directory that is open at 5 is the cgroup that is meant.
is_meant() {
  found=
  while IFS= read -r line; do
    case $line in
    ino:*) found=@{line##*[!0-9]} ;;
    esac
  done <"$proc/self/fdinfo/5"
  [ -n "$found" ] || { forking=yes && found=$(stat -c %i "$here/.") && forking=no; } || forking=no
  [ -z "$found" ] || [ "$found" = "$id" ]
}
read_line_of_device() {
  present=0
  [ $name != io.max ] || present=rbps=max,wbps=max,riops=max,wiops=max
  while IFS= read -r line; do
    case $line in
    "$device "*)
      set -- @{line#* }
      IFS=,
      present="$*"
      IFS=$blanks
      ;;
    esac
  done <"$here/$name"
}
read_present() {
  present=
  case $name in
  freezer.state)
    IFS= read -r line <"$here/freezer.self_freezing" || return 1
    case $line in
    0) present=THAWED ;;
    1) present=FROZEN ;;
    esac
    ;;
  io.max | blkio.*) read_line_of_device ;;
  *)
    IFS= read -r line <"$here/$name" || return 1
    set -- $line
    IFS=,
    present="$*"
    IFS=$blanks
    ;;
  esac
  [ -n "$present" ]
}
put_back_cgroup_here() {
  here=$proc/self/fd/5 outcome=gone
  is_meant || return 0
  if ! read_present; then
    [ ! -e "$here/$name" ] || outcome=wait
    return 0
  fi
  outcome=done
  [ "$present" != "$original" ] || return 0
  outcome=left
  [ "$present" = "$before" ] || [ "$present" = "$value" ] || return 0
  outcome=wait
  IFS=,
  set -- $original
  IFS=$blanks
  [ "$device" = - ] || set -- $device "$@"
  echo "$*" >"$here/$name" && outcome=done
}
put_back_cgroup() {
  outcome=
  { put_back_cgroup_here; } 5<"$place"
  [ -n "$outcome" ] || { outcome=gone && [ ! -d "$place" ]; } || outcome=wait
}

# Of a thread or process: its state, nice value and start. The name before them may hold anything.
read_stat() {
  line= stat=
  while IFS= read -r line || [ -n "$line" ]; do stat=$line; done <"$1"
  [ -n "$stat" ] || return 1
  set -- @{stat##*) }
  nice_now=@{17} start_now=@{20}
}
is_process() {
  read_stat "$proc/$id/stat" && [ "$start_now" = "$start" ]
}
put_back_stop() {
  outcome=gone
  is_process || return 0
  outcome=wait
  if kill -s CONT $id; then outcome=done; elif [ ! -d "$proc/$id" ]; then outcome=gone; fi
}
renice_to() {
  forking=yes outcome=wait
  if renice "$@"; then outcome=done; fi
  forking=no
}
is_ours() {
  [ "$nice_now" = "$value" ] || [ "$nice_now" = "$before" ]
}
put_back_thread() {
  outcome=gone
  is_process || return 0
  outcome=done
  [ "$nice_now" != "$original" ] || return 0
  outcome=left
  is_ours || return 0
  renice_to $original -p $id
}
put_back_nice() {
  outcome=gone
  is_process || return 0
  threads= after=done
  is_ours || [ "$nice_now" = "$original" ] || after=left
  for task in "$proc/$id/task/"*; do
    read_stat "$task/stat" && [ "$nice_now" != "$original" ] && is_ours && threads="$threads @{task##*/}"
  done
  outcome=$after
  [ -n "$threads" ] || return 0
  renice_to $original -p $threads
  [ $outcome = wait ] || outcome=$after
}

# The present name of the interface $id, in $present; empty when there is none.
find_interface() {
  present=
  forking=yes
  links=$(ip -o link show) || { forking=no && return 1; }
  forking=no
  set -f
  IFS='
'
  for line in $links; do
    case $line in
    "$id: "*)
      present=@{line#*: }
      present=@{present%%:*}
      present=@{present%%@*}
      ;;
    esac
  done
  IFS=$blanks
  set +f
}
put_back_link() {
  outcome=wait
  find_interface || return 0
  outcome=gone
  [ -n "$present" ] || return 0
  forking=yes outcome=wait
  if ip link set dev "$present" up; then
    outcome=done
    put_back_forgotten
  fi
  forking=no
}
# What the kernel has forgotten of it meanwhile (core/net/forgotten.ts).
put_back_forgotten() {
  for what in addr route; do
    kept=$journals/link-$id.$what
    [ -f "$kept" ] || continue
    ip $what restore <"$kept" || say "up again, but not all of its @{what}s"
    rm -f "$kept"
  done
}
put_back_shape() {
  outcome=wait
  find_interface || return 0
  outcome=gone
  [ -n "$present" ] || return 0
  forking=yes outcome=wait
  if tc qdisc del dev "$present" root handle 7015:; then
    outcome=done
  elif shown=$(tc qdisc show dev "$present"); then
    case $shown in
    *' 7015: root'*) ;;
    *' 0: root'* | '') outcome=done ;;
    *' root'*) outcome=left ;;
    *) outcome=done ;;
    esac
  fi
  forking=no
}
put_back_domain() {
  forking=yes outcome=wait
  if shown=$(timeout -k 1 10 virsh --connect "$uri" domstate --domain "$name" 2>&1); then
    case $shown in
    paused*) if timeout -k 1 10 virsh --connect "$uri" resume --domain "$name"; then outcome=done; fi ;;
    running*) outcome=done ;;
    *) outcome=left ;;
    esac
  else
    case $shown in
    *'failed to get domain'* | *'Domain not found'*) outcome=gone ;;
    esac
  fi
  forking=no
}

# Bytes that a terminal might take for orders are not shown.
say() {
  shown="$kind $details"
  case $shown in
  *[!\ -~]*) shown="$kind" ;;
  esac
  printf 'plimsoll guardian: %s: %s\n' "$shown" "$1" >&4
}
put_back() {
  eval "kind=\$kind_$1 details=\$details_$1 state=\$state_$1 number=\$number_$1"
  eval "journal=\$journal_@{1%%_*}"
  parse "$kind" "$details"
  put_back_$kind
  case $outcome in
  wait)
    [ $state = open ] || return 0
    eval "state_$1=waiting"
    say "cannot be put back yet: it is tried again as long as it is there"
    ;;
  *)
    eval "state_$1=closed"
    eval "count_$outcome=\$((count_$outcome + 1))"
    [ $outcome != left ] || say "is not as the guard left it: not put back"
    ;;
  esac
  printf '%s %s\n' $outcome $number >>"$journal"
}
# Puts back what is of these kinds.
pass() {
  kinds=" $* "
  for entry in $entries; do
    eval "state=\$state_$entry kind=\$kind_$entry"
    [ $state != closed ] || continue
    case $kinds in
    *" $kind "*) put_back $entry ;;
    esac
  done
}
count_open() {
  open=0
  for entry in $entries; do
    eval "[ \$state_$entry = closed ]" || open=$((open + 1))
  done
}
put_back_all() {
  pass cgroup stop
  if [ $1 = all ]; then
    pass thread
    pass nice
    pass link shape
    pass domain
  fi
  count_open
}
# A guard that starts has asked for the journals, and lives.
is_asked_for() {
  IFS=' ' read -r pid line <"$journals/levers.handover" && [ -n "$pid" ] && [ -d "$proc/$pid" ]
}
leave() {
  trap - EXIT
  exit 0
}

count_done=0 count_left=0 count_gone=0 file=0
for journal in "$journals"/levers-*.journal; do
  [ -f "$journal" ] || continue
  eval "journal_$file=\$journal"
  read_journal
  file=$((file + 1))
done
[ -n "$entries" ] || leave
put_back_all all
if [ $mode = stay ] && [ "$last" != stop ] && [ $((count_done + count_left + count_gone + open)) -gt 0 ]; then
  line="the guard is gone: of what it had imposed $count_done put back, $count_left left as somebody else changed it, $count_gone no more, $open wait"
  printf 'plimsoll guardian: %s\n' "$line" >&4
  [ -z "$kmsg" ] || printf '<4>plimsoll: %s\n' "$line" >"$kmsg"
fi
turn=0
while [ $mode != once ] && [ $open -gt 0 ]; do
  ! is_asked_for || leave
  # Often as long as it may soon be over, then seldom; what takes other programs once a second.
  forking=yes
  if [ $turn -lt 200 ]; then sleep 0.05 3>&-; else sleep 1 3>&-; fi || sleep 1 3>&-
  forking=no
  turn=$((turn + 1)) which=cheap
  [ $turn -lt 200 ] && [ $((turn % 20)) -ne 0 ] || which=all
  put_back_all $which
done
leave
`.replaceAll("@{", "${");
