# What the guardian does with cgroup v2: guardian-v2.sh SHARE HOG. SHARE has the guardian's script; files of cgroups as
# they were before it and after it are left there, a line each: NAME WHEN max high current oom_kill.
share=$1 hog=$2 root=/sys/fs/cgroup mib=1048576
journal=/tmp/limits.journal
echo +memory >$root/cgroup.subtree_control
: >$journal

make() { mkdir $root/$1 && echo $(($2 * mib)) >$root/$1/memory.max; }
# Journals a change of $1's file $2 from $3 to $4, and makes it.
change() {
  echo "set $(stat -c %i $root/$1) $3 $3 $4 $root/$1/$2" >>$journal
  echo $4 >$root/$1/$2
}
inside() { sh -c "echo \$\$ >$root/$1/cgroup.procs; shift; exec \"\$@\"" sh "$@"; }
show() {
  for name in donor tripwire program cache; do
    at=$root/$name
    kills=$(sed -n 's/^oom_kill //p' $at/memory.events)
    echo "$name $1 $(cat $at/memory.max) $(cat $at/memory.high) $(cat $at/memory.current) $kills"
  done >>$share/seen
}
# Until the command succeeds; the machine is emulated, so with much room.
await() {
  for _ in $(seq 600); do "$@" && return; sleep 0.1; done
  echo "never: $*" >>$share/seen
}

make donor 200
make tripwire 100
make program 60
make cache 60
change donor memory.max $((200 * mib)) $((150 * mib))
change tripwire memory.high max $((80 * mib))
change program memory.max $((60 * mib)) $((160 * mib))
change cache memory.max $((60 * mib)) $((160 * mib))
# Two that use more than their own limits: one what cannot be reclaimed, one what can.
inside program $hog grow --from 90 --to 90 --rate 1 >/tmp/hog.out &
inside cache cat "$(command -v node)" "$(command -v node)" >/dev/null
await grep -q ready /tmp/hog.out
show before

PLIMSOLL_GUARDIAN=$(cat $share/script) LC_ALL=C sh -c 'eval "$PLIMSOLL_GUARDIAN"' plimsoll-guardian \
  $journal /proc 4096 stay '' </dev/null 3</dev/null >/dev/null &
guardian=$!
await grep -q 'wait .*/program/' $journal
await grep -q 'done .*/cache/' $journal
show waiting
[ -d /proc/$guardian ] && echo "guardian stays" >>$share/seen
echo 1 >$root/program/cgroup.kill
await grep -q 'done .*/program/' $journal
show after
await test ! -d /proc/$guardian
cp $journal $share/journal
