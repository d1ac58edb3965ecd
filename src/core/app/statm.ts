const SPACE = 32;
const NEWLINE = 10;
const ZERO = 48;
const NINE = 57;

/** What {@link parseStatm} puts out: pages. */
export const Statm = { sizePages: 0, residentPages: 1, dataPages: 2 } as const;
export const STATM_FIELDS = 3;

/** Places of these among the seven numbers of the file; -1 for those not wanted. */
const SLOT_OF_FIELD = Int8Array.of(Statm.sizePages, Statm.residentPages, -1, -1, -1, Statm.dataPages, -1);

/**
 * Parses /proc/PID/statm (proc_pid_statm(5)) into `out`: pages.
 *
 * - `residentPages` is what VmRSS of /proc/PID/status is (task_statm and task_mem of fs/proc/task_mmu.c read the same
 *   counters).
 * - `dataPages` is the size of all private writable mappings, which `pmap -d` sums up line by line from /proc/PID/maps as
 *   "writeable/private": since Linux 4.5 the kernel itself keeps that sum for each process (data_vm + stack_vm,
 *   vm_stat_account of mm/mmap.c). Anybody may read it; maps takes ptrace(2)'s access rights, and a line a mapping.
 *
 * A zombie has no memory: all are 0.
 * @returns false when the file is cut off or not of that form; `out` is then not to be used
 */
export function parseStatm(bytes: Uint8Array, length: number, out: Float64Array): boolean {
  let at = 0;
  for (let field = 0; field < SLOT_OF_FIELD.length; field++) {
    const first = at;
    let value = 0;
    let byte = 0;
    while (at < length && (byte = bytes[at] as number) >= ZERO && byte <= NINE) {
      value = value * 10 + (byte - ZERO);
      at++;
    }
    const last = field === SLOT_OF_FIELD.length - 1;
    if (at === first || at >= length || byte !== (last ? NEWLINE : SPACE)) return false;
    if (value > Number.MAX_SAFE_INTEGER) return false;
    const slot = SLOT_OF_FIELD[field] as number;
    if (slot >= 0) out[slot] = value;
    at++;
  }
  return true;
}
