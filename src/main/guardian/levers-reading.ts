/**
 * The part of the guardian's script of levers that reads journals: what a line has to be is what core/levers/journal.ts
 * takes for one; a test holds the two against each other. Leaves the names of what is held in $entries.
 */
/** As a range in a pattern: not every shell knows [[:cntrl:]] there. */
const CONTROL = "\u0001-\u001f";

// A dollar before a brace would be TypeScript's own: @{ stands for it, until levers-script.ts has put the parts together.
export const LEVERS_READING: string = String.raw`blanks=' 	
'
IFS=$blanks

is_id() {
  case $1 in
  '' | 0* | *[!0-9]* | ????????????????*) return 1 ;;
  esac
}
is_zero_or_id() {
  [ "$1" = 0 ] || is_id "$1"
}
is_amount() {
  [ "$1" = 0 ] && return 0
  case $1 in
  '' | 0* | *[!0-9]* | ?????????????????????*) return 1 ;;
  esac
}
is_nice() {
  case $1 in
  [0-9] | 1[0-9] | -[1-9] | -1[0-9] | -20) return 0 ;;
  *) return 1 ;;
  esac
}
is_device() {
  case $1 in
  *:*:* | *[!0-9:]* | :* | *: | ?????:* | *:????????*) return 1 ;;
  *:*) return 0 ;;
  *) return 1 ;;
  esac
}
# One to four of rbps=N, wbps=N, riops=N, wiops=N, with commas between them.
is_io_max() {
  case $1 in
  *,,* | ,* | *,) return 1 ;;
  esac
  IFS=,
  set -- $1
  IFS=$blanks
  [ $# -ge 1 ] && [ $# -le 4 ] || return 1
  for part; do
    case $part in
    rbps=max | wbps=max | riops=max | wiops=max) ;;
    rbps=0 | wbps=0 | riops=0 | wiops=0) return 1 ;;
    rbps=* | wbps=* | riops=* | wiops=*) is_amount "@{part#*=}" || return 1 ;;
    *) return 1 ;;
    esac
  done
}
# A value of the file $name, commas for its blanks.
is_value() {
  case $name in
  cpu.cfs_quota_us) [ "$1" = -1 ] || is_id "$1" ;;
  cpu.max)
    case $1 in
    *,*,*) return 1 ;;
    max,*) is_id "@{1#*,}" ;;
    *,*) is_id "@{1%%,*}" && is_id "@{1#*,}" ;;
    *) return 1 ;;
    esac
    ;;
  blkio.*) is_amount "$1" ;;
  io.max) is_io_max "$1" ;;
  freezer.state) [ "$1" = THAWED ] || [ "$1" = FROZEN ] ;;
  cgroup.freeze) [ "$1" = 0 ] || [ "$1" = 1 ] ;;
  *) return 1 ;;
  esac
}
# Takes the next word off $rest.
word() {
  case $rest in
  *' '*) word=@{rest%% *} rest=@{rest#* } ;;
  *) word=$rest rest= ;;
  esac
}
three_values() {
  word; original=$word
  word; before=$word
}
# Takes apart what a line says after its kind; fails when it says nothing.
parse() {
  rest=$2
  case $1 in
  cgroup)
    word; id=$word
    word; device=$word
    three_values
    word; value=$word
    path=$rest
    case $path in
    /*) ;;
    *) return 1 ;;
    esac
    name=@{path##*/} place=@{path%/*}
    case $name in
    io.max | blkio.throttle.read_bps_device | blkio.throttle.write_bps_device | blkio.throttle.read_iops_device | blkio.throttle.write_iops_device) is_device "$device" ;;
    cpu.cfs_quota_us | cpu.max | freezer.state | cgroup.freeze) [ "$device" = - ] ;;
    *) return 1 ;;
    esac && [ -n "$place" ] && is_id "$id" && is_value "$original" && is_value "$before" && is_value "$value"
    ;;
  nice | thread)
    word; id=$word
    word; start=$word
    three_values
    value=$rest
    is_id "$id" && [ "$id" != 1 ] && is_zero_or_id "$start" && is_nice "$original" && is_nice "$before" && is_nice "$value"
    ;;
  stop)
    word; id=$word
    start=$rest
    is_id "$id" && [ "$id" != 1 ] && is_zero_or_id "$start"
    ;;
  shape | link)
    word; id=$word
    name=$rest
    case $name in
    '' | -* | */* | *:* | *[${CONTROL}" "]* | ????????????????*) return 1 ;;
    esac
    is_id "$id"
    ;;
  domain)
    word; uri=$word
    name=$rest
    case $name in
    '' | -* | */* | *[${CONTROL}]*) return 1 ;;
    esac
    case $uri in
    [a-z]*:*) ;;
    *) return 1 ;;
    esac
    case $uri in
    *[!A-Za-z0-9+:/._?=\&@%~,-]*) return 1 ;;
    esac
    ;;
  *) return 1 ;;
  esac
}

entries=
take_set() {
  word; number=$word
  word; kind=$word
  details=$rest
  case $number in
  '' | 0* | *[!0-9]* | ??????????*) return 0 ;;
  esac
  parse "$kind" "$details" || return 0
  entry=@{file}_$number
  eval "state=\@{state_$entry:-}"
  [ -n "$state" ] || entries="$entries $entry"
  eval "kind_$entry=$kind details_$entry=\$details state_$entry=open file_$entry=$file number_$entry=$number"
}
take_end() {
  case $rest in
  '' | 0* | *[!0-9]* | ??????????*) return 0 ;;
  esac
  eval "state=\@{state_@{file}_$rest:-}"
  [ -z "$state" ] || [ $state = closed ] || eval "state_@{file}_$rest=$1"
}
read_journal() {
  while IFS= read -r line; do
    rest=@{line#* }
    case $line in
    'set '*) take_set ;;
    'done '* | 'left '* | 'gone '*) take_end closed ;;
    'wait '*) take_end waiting ;;
    esac
  done <"$journal"
  # A line that was not finished shall not become one, nor be glued to what is written from now on: no name may contain \001.
  [ -z "$line" ] || printf '\001torn\n' >>"$journal"
}

`;
