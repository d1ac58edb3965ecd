/**
 * What the guardian runs: POSIX shell (dash, bash, busybox ash), builtins only. A fork may fail in a crisis, and memory
 * for one may be long in coming; so a cgroup's inode is read from /proc/self/fdinfo of its opened directory ("ino:",
 * proc(5), since Linux 5.14; stat(1) before), and the files are reached through that descriptor, so that between the look
 * at the inode and the write no other cgroup can take its place. Only sleep(1) is started, when there is nothing left to
 * do but wait; a shell whose fork fails ends, and its EXIT trap begins the script anew by exec, without a fork.
 *
 * Arguments: the journal; where proc(5) is; bytes a page; `stay` (wait for what cannot be put back yet), `once` (do not)
 * or `again` (as `stay`, begun anew); where the kernel log is, may be empty. Descriptor 3 is the journal's lock: held as long as this lives.
 *
 * Order, once stdin is at its end: pauses end; tripwires go; then limits are raised (swap's before memory's: the kernel
 * refuses a memory limit above that of both), then lowered (memory's first). A limit is lowered to the original only
 * when usage is below it. v1 answers EBUSY otherwise, after it has reclaimed what can be; v2 would end processes for it
 * (cgroup-v2.rst, memory.max), so there memory.reclaim is asked instead, where the kernel has it (5.19).
 */
// A dollar before a brace would be TypeScript's own: @{ stands for it.
export const GUARDIAN_SCRIPT = String.raw`
journal=$1 proc=$2 page=$3 mode=$4 kmsg=$5
exec 4>&2 2>/dev/null
trap '' INT TERM HUP QUIT PIPE USR1 USR2
forking=no
begin_anew() {
  [ $forking = no ] ||
    exec /bin/sh -c 'eval "$PLIMSOLL_GUARDIAN"' plimsoll-guardian "$journal" "$proc" "$page" again "$kmsg" 2>&4
}
trap begin_anew EXIT
for wish in -1000 -900 -500 -100; do
  echo $wish >"$proc/self/oom_score_adj" && break
done
echo ready
exec >/dev/null

last=
while IFS= read -r line; do last=$line; done

# An amount as the journal has it: max, or at most 16 decimal digits that are no octal number.
is_amount() {
  case $1 in
  max | 0) return 0 ;;
  '' | 0* | *[!0-9]* | ?????????????????*) return 1 ;;
  esac
}
is_inode() {
  case $1 in
  '' | 0* | *[!0-9]* | ????????????????*) return 1 ;;
  esac
}
# Bytes as the kernel keeps them: whole pages; what is past 2^53 is no limit.
normal() {
  case $1 in
  max | ???????????????????*) normal=max ;;
  '' | 0?* | *[!0-9]*) return 1 ;;
  *) if [ $1 -gt 9007199254740991 ]; then normal=max; else normal=$(($1 - $1 % page)); fi ;;
  esac
}
is_above() {
  [ "$1" != "$2" ] || return 1
  [ "$1" = max ] && return 0
  [ "$2" != max ] && [ "$1" -gt "$2" ]
}

count=0
# Finds $number, the entry of $path and $inode; what is no limit of a cgroup has none.
find_entry() {
  case $path in
  /*) ;;
  *) return 1 ;;
  esac
  name=@{path##*/}
  case $name in
  memory.oom_control) kind=oom ;;
  memory.high) kind=high ;;
  memory.memsw.limit_in_bytes) kind=memsw ;;
  memory.limit_in_bytes) kind=limit ;;
  memory.max) kind=max ;;
  *) return 1 ;;
  esac
  is_inode "$inode" || return 1
  eval "number=\@{number_@{kind}_$inode:-}"
}
take_set() {
  inode=@{rest%% *} rest=@{rest#* }
  original=@{rest%% *} rest=@{rest#* }
  before=@{rest%% *} rest=@{rest#* }
  value=@{rest%% *} path=@{rest#* }
  is_amount "$original" && is_amount "$before" && is_amount "$value" && find_entry || return 0
  case "$kind $original $before $value" in
  "oom "[01]" "[01]" "[01]) ;;
  oom*) return 0 ;;
  esac
  if [ -z "$number" ]; then
    number=$count count=$((count + 1))
    eval "number_@{kind}_$inode=$number"
  fi
  eval "kind_$number=$kind inode_$number=$inode path_$number=\$path"
  eval "original_$number=$original before_$number=$before value_$number=$value state_$number=open"
}
take_other() {
  inode=@{rest%% *} path=@{rest#* }
  find_entry && [ -n "$number" ] && eval "[ \$state_$number = closed ] || state_$number=$1"
}
read_journal() {
  while IFS= read -r line; do
    rest=@{line#* }
    case $line in
    'set '*) take_set ;;
    'done '* | 'left '* | 'gone '*) take_other closed ;;
    'wait '*) take_other waiting ;;
    esac
  done <"$journal"
  # A line that was not finished shall not become one, nor be glued to what is written from now on.
  [ -z "$line" ] || echo ' torn' >>"$journal"
}

# Whether the directory that is open at 5 is the cgroup that is meant.
is_meant() {
  found=
  while IFS= read -r line; do
    case $line in
    ino:*) found=@{line##*[!0-9]} ;;
    esac
  done <"$proc/self/fdinfo/5"
  [ -n "$found" ] || { forking=yes && found=$(stat -c %i "$here/.") && forking=no; } || forking=no
  [ -z "$found" ] || [ "$found" = "$inode" ]
}
read_present() {
  present=
  if [ $kind = oom ]; then
    IFS=' ' read -r line present <"$here/$name"
  else
    IFS= read -r present <"$here/$name"
    normal "$present" || return 1
    present=$normal
    normal $original && original=$normal
    normal $before && before=$normal
    normal $value && value=$normal
  fi
  [ -n "$present" ]
}
read_usage() {
  case $kind in
  limit) usage_name=memory.usage_in_bytes ;;
  memsw) usage_name=memory.memsw.usage_in_bytes ;;
  max) usage_name=memory.current ;;
  esac
  usage=
  IFS= read -r usage <"$here/$usage_name" && normal "$usage"
}
# Whether the limit may be written below what it is. With $insist the kernel is asked to make room.
may_lower() {
  read_usage || return 1
  is_above $usage $original || return 0
  [ $insist = yes ] || return 1
  [ $kind = max ] || return 0
  echo $((usage - original)) >"$here/memory.reclaim"
  read_usage && ! is_above $usage $original
}
# What becomes of one file, in $outcome: done, left, gone, later (not this pass), wait (not yet).
put_back_here() {
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
  case $kind in
  limit | memsw | max)
    lowers=no
    ! is_above $present $original || lowers=yes
    outcome=later
    [ $lowers = $lowering ] || return 0
    outcome=wait
    [ $lowers = no ] || may_lower || return 0
    ;;
  esac
  outcome=wait
  write=$original
  [ $kind = max ] || [ $kind = high ] || [ $original != max ] || write=-1
  echo $write >"$here/$name" && outcome=done
}
# Bytes that a terminal might take for orders are not shown.
say() {
  case $path in
  *[![:print:]]*) shown="$name of cgroup inode $inode" ;;
  *) shown=$path ;;
  esac
  printf 'plimsoll guardian: %s %s\n' "$shown" "$1" >&4
}
put_back() {
  eval "kind=\$kind_$1 inode=\$inode_$1 path=\$path_$1 state=\$state_$1"
  eval "original=\$original_$1 before=\$before_$1 value=\$value_$1"
  name=@{path##*/} directory=@{path%/*} outcome=
  { put_back_here; } 5<"$directory"
  [ -n "$outcome" ] || { outcome=gone && [ ! -d "$directory" ]; } || outcome=wait
  case $outcome in
  later) return 0 ;;
  wait)
    [ $state = open ] || return 0
    eval "state_$1=waiting"
    say "cannot be put back to $original yet: it is tried again as long as the cgroup is there"
    ;;
  *)
    eval "state_$1=closed"
    eval "count_$outcome=\$((count_$outcome + 1))"
    [ $outcome != left ] ||
      say "holds $present, which the guard did not write: it is left so, and not put back to $original"
    ;;
  esac
  printf '%s %s %s\n' $outcome $inode "$path" >>"$journal"
}
# Puts back the files of these kinds; leaves in $open how many are still to be.
pass() {
  number=0 open=0
  while [ $number -lt $count ]; do
    eval "state=\$state_$number kind=\$kind_$number"
    if [ $state != closed ]; then
      case " $* " in
      *" $kind "*) put_back $number ;;
      esac
      eval "[ \$state_$number = closed ]" || open=$((open + 1))
    fi
    number=$((number + 1))
  done
}
put_back_all() {
  insist=$1
  lowering=no
  pass oom
  pass high
  pass memsw
  pass limit max
  lowering=yes
  pass limit max
  pass memsw
}
# A guard that starts has asked for the journal, and lives.
is_asked_for() {
  IFS=' ' read -r pid line <"$journal.handover" && [ -n "$pid" ] && [ -d "$proc/$pid" ]
}
leave() {
  trap - EXIT
  exit 0
}

count_done=0 count_left=0 count_gone=0
[ -e "$journal" ] || leave
read_journal
put_back_all yes
if [ $mode = stay ] && [ "$last" != stop ] && [ $((count_done + count_left + count_gone + open)) -gt 0 ]; then
  line="the guard is gone: $count_done limits put back, $count_left left as somebody else changed them, $count_gone of removed cgroups, $open wait"
  printf 'plimsoll guardian: %s\n' "$line" >&4
  [ -z "$kmsg" ] || printf '<4>plimsoll: %s\n' "$line" >"$kmsg"
fi
turn=0
while [ $mode != once ] && [ $open -gt 0 ]; do
  ! is_asked_for || leave
  # Often as long as it may soon be over, then seldom. The kernel is pressed for room once a second.
  forking=yes
  if [ $turn -lt 200 ]; then sleep 0.05 3>&-; else sleep 1 3>&-; fi || sleep 1 3>&-
  forking=no
  turn=$((turn + 1)) insist=no
  [ $turn -lt 200 ] && [ $((turn % 20)) -ne 0 ] || insist=yes
  put_back_all $insist
done
leave
`.replaceAll("@{", "${");
