#!/bin/sh
# app.sh PROJECT SHARE ROUNDS: an Erlang VM, started as NSO's, grows until the host's memory is used up: ROUNDS times
# beside the guard by its profile nso, ROUNDS times alone, and once in overcommit mode 2. What is left of it, a line a
# round, goes to SHARE/seen: how, round, its crash dump (whole, torn, none), who the OOM killer took (a count).
set -u
project=$1 share=$2 rounds=$3
export PLIMSOLL_RUN_DIR=/run/plimsoll-lab
mkdir -p -m 700 $PLIMSOLL_RUN_DIR
echo 1 >/proc/sys/vm/panic_on_oom 2>/dev/null; echo 0 >/proc/sys/vm/panic_on_oom

grows='Wait = fun Wait() -> case filelib:is_file("go") of true -> ok; false -> timer:sleep(50), Wait() end end,
file:write_file("ready", ""), Wait(),
Grow = fun Grow(Held) -> timer:sleep(100), Grow([atomics:new(393216, []) | Held]) end, Grow([]).'

killed() { awk '$1 == "oom_kill" { print $2 }' /proc/vmstat; }
kib() { awk -v key="$1:" '$1 == key { print $2 }' /proc/meminfo; }
until_seen() { # SECONDS COMMAND...
  left=$(($1 * 5)); shift
  while [ $left -gt 0 ]; do "$@" && return 0; sleep 0.2; left=$((left - 1)); done
  return 1
}
is_gone() { ! kill -0 "$1" 2>/dev/null; }

begin() { # HOW ROUND: an Erlang VM in a directory of its own
  dir=$share/$1-$2; mkdir -p "$dir"; cd "$dir" || exit 1
  ERL_CRASH_DUMP=$dir/erl_crash.dump erl -noshell -noinput -ncs true -eval "$grows" >vm.log 2>&1 &
  vm=$!
  until_seen 60 test -e ready || echo "never: the VM was not ready" >>"$share/seen"
}
guard() { # the policy's file is in the directory
  node "$project/dist/src/main/cli/bin.js" run --profile nso --config policy.toml >guard.log 2>&1 &
  guard=$!
  until_seen 120 grep -q "guarding the host" guard.log || echo "never: the guard did not begin" >>"$share/seen"
  until_seen 60 grep -q "its main process is pid $vm" guard.log || echo "never: the VM was not found" >>"$share/seen"
}
policy() { # of applications alone: an emulated processor has enough to do
  for each in cpu disk io net vm cgroups; do printf '[%s]\nenabled = false\n' $each; done >policy.toml
  printf '[[applications]]\nname = "nso"\ndump_directory = "/run/plimsoll-lab/dumps"\n%s\n[record]\naudit = "/run/plimsoll-lab/audit.jsonl"\nkmsg = false\n' "$1" >>policy.toml
  chmod 644 policy.toml; rm -f /run/plimsoll-lab/audit.jsonl
}
finish() { # HOW ROUND
  before=$(killed); : >go
  until_seen 120 is_gone $vm || { echo "never: the VM lives on" >>"$share/seen"; kill -9 $vm; }
  wait $vm
  found=none
  [ -e erl_crash.dump ] && { found=torn; [ "$(tail -n 1 erl_crash.dump)" = "=end" ] && found=whole; }
  echo "$1 $2 $found $(($(killed) - before))" >>"$share/seen"
}
stop() { sleep 2; kill $guard 2>/dev/null; wait $guard; cp /run/plimsoll-lab/audit.jsonl "$dir/" 2>/dev/null; cd "$share" || exit 1; }

for round in $(seq "$rounds"); do
  begin guarded "$round"; policy ""; guard; finish guarded "$round"; stop
  begin alone "$round"; finish alone "$round"
done
# The kernel holds everybody to what it has promised: what is promised now is four fifths of that. Of what is left it keeps
# back a 32nd of a process's address space, to be able to go on (vm.rst, user_reserve_kbytes): Erlang's is large.
begin promised 1
policy '[applications.physical.critical]
used = "100%"'
guard
echo $(($(kib Committed_AS) * 5 / 4)) >/proc/sys/vm/overcommit_kbytes
echo 0 >/proc/sys/vm/user_reserve_kbytes
echo 2 >/proc/sys/vm/overcommit_memory
finish promised 1
echo 0 >/proc/sys/vm/overcommit_memory
stop
