import { signedAt } from "./bytes.ts";

/** Where {@link parseProcessStat} puts what it finds. */
export const Stat = {
  pid: 0,
  state: 1,
  ppid: 2,
  processGroup: 3,
  session: 4,
  flags: 5,
  majorFaults: 6,
  userTicks: 7,
  systemTicks: 8,
  threads: 9,
  startTicks: 10,
  residentPages: 11,
  /** Where the name ends (exclusive) in the bytes; it begins after the first parenthesis. */
  nameEnd: 12,
  /** Of children that have ended and were waited for, and theirs. */
  childUserTicks: 13,
  childSystemTicks: 14,
} as const;
export const STAT_FIELDS = 15;

/** PF_KTHREAD of include/linux/sched.h: a kernel thread. */
export const KERNEL_THREAD_FLAG = 0x00200000;

const CLOSE = 41;
const SPACE = 32;

/** proc(5) numbers of the fields wanted, counted from the state as 0 (field 3), and the slot of each. */
const WANTED: readonly (readonly [field: number, slot: number])[] = [
  [1, Stat.ppid],
  [2, Stat.processGroup],
  [3, Stat.session],
  [6, Stat.flags],
  [9, Stat.majorFaults],
  [11, Stat.userTicks],
  [12, Stat.systemTicks],
  [13, Stat.childUserTicks],
  [14, Stat.childSystemTicks],
  [17, Stat.threads],
  [19, Stat.startTicks],
  [21, Stat.residentPages],
];
const SLOT_OF_FIELD = slotTable();

function slotTable(): Int8Array {
  const table = new Int8Array(22).fill(-1);
  for (const [field, slot] of WANTED) table[field] = slot;
  return table;
}

/**
 * Parses /proc/PID/stat into `out[outAt + Stat.…]`: numbers, the state as the code of its letter.
 *
 * The name stands in parentheses and may hold anything, parentheses, blanks and newlines included, so what follows is
 * found from the last parenthesis backwards (proc(5)).
 * @returns false when the file is empty, cut off, or not of that form; `out` is then not to be used
 */
export function parseProcessStat(
  bytes: Uint8Array,
  length: number,
  out: Float64Array,
  outAt: number,
): boolean {
  let close = length - 1;
  while (close >= 0 && bytes[close] !== CLOSE) close--;
  if (close < 0 || bytes[close + 1] !== SPACE) return false;
  const pid = signedAt(bytes, 0, length);
  const stateAt = close + 2;
  if (!(pid > 0) || stateAt + 1 >= length || bytes[stateAt + 1] !== SPACE) return false;
  out[outAt + Stat.pid] = pid;
  out[outAt + Stat.state] = bytes[stateAt] as number;
  out[outAt + Stat.nameEnd] = close;
  let field = 0;
  for (let at = stateAt; at < length; at++) {
    if (bytes[at] !== SPACE) continue;
    field++;
    if (field >= SLOT_OF_FIELD.length) return true;
    const slot = SLOT_OF_FIELD[field] as number;
    if (slot < 0) continue;
    const value = signedAt(bytes, at + 1, length);
    if (Number.isNaN(value)) return false;
    out[outAt + slot] = value;
  }
  return false;
}

/** Where the name begins and ends (exclusive) in /proc/PID/stat; both -1 when it is not of that form. */
export function nameRange(bytes: Uint8Array, length: number): { begin: number; end: number } {
  let begin = 0;
  while (begin < length && bytes[begin] !== 40) begin++;
  let end = length - 1;
  while (end > begin && bytes[end] !== CLOSE) end--;
  return begin < length && end > begin ? { begin: begin + 1, end } : { begin: -1, end: -1 };
}
