/**
 * What the guard imposes on others and takes back: each is journaled before it is done (./journal.ts), and put back by
 * the lane that imposed it, by that lane's next life, or by the guardian.
 */

/** The files of cgroups that may be written; nobody who finds a journal writes to any other. */
export const LEVER_FILES = [
  "cpu.cfs_quota_us",
  "cpu.max",
  "blkio.throttle.read_bps_device",
  "blkio.throttle.write_bps_device",
  "blkio.throttle.read_iops_device",
  "blkio.throttle.write_iops_device",
  "io.max",
  "freezer.state",
  "cgroup.freeze",
] as const;
export type LeverFile = (typeof LEVER_FILES)[number];

/**
 * A file of a cgroup is given a value, as the file reads afterwards:
 * - `cpu.cfs_quota_us`: microseconds a period, -1 for none (sched-bwc.rst) - `cpu.max`: `QUOTA PERIOD` (cgroup-v2.rst)
 * - `blkio.throttle.*`: a number for `device`, 0 for none (blkio-controller.rst)
 * - `io.max`: `rbps=N wbps=N riops=N wiops=N` for `device`, `max` for none (cgroup-v2.rst)
 * - `freezer.state`: THAWED or FROZEN (freezer-subsystem.rst) - `cgroup.freeze`: 0 or 1 (cgroup-v2.rst)
 */
export interface CgroupLever {
  readonly kind: "cgroup";
  /** The cgroup's directory, absolute, and its inode: another one in its place is not meant. */
  readonly directory: string;
  readonly inode: number;
  readonly file: LeverFile;
  /** `MAJOR:MINOR` for the files that have a line a device, null for the others. */
  readonly device: string | null;
  readonly value: string;
}

/** A process's nice value, of all its threads that have the one of its first; `thread`: of one that has its own. */
export interface NiceLever {
  readonly kind: "nice" | "thread";
  readonly pid: number;
  readonly startTicks: number;
  readonly value: number;
}

/** A process is stopped (SIGSTOP), and goes on (SIGCONT) when that is undone. */
export interface StopLever {
  readonly kind: "stop";
  readonly pid: number;
  readonly startTicks: number;
}

/** An interface's traffic is shaped by a root qdisc of ours ({@link SHAPE_HANDLE}), or the interface is down for a time. */
export interface InterfaceLever {
  readonly kind: "shape" | "link";
  /** An interface is its index; by its name it is called, which may have changed. */
  readonly ifindex: number;
  readonly interface: string;
}

/** A libvirt domain is suspended. */
export interface DomainLever {
  readonly kind: "domain";
  /** As `virsh --connect` takes it; the domain's name or UUID. */
  readonly uri: string;
  readonly domain: string;
}

export type Lever = CgroupLever | NiceLever | StopLever | InterfaceLever | DomainLever;

/** The root qdisc of a shaped interface: no other is taken away. */
export const SHAPE_HANDLE = "7015:";

/** Whether a file has a line for each device. */
export function isPerDevice(file: LeverFile): boolean {
  return file === "io.max" || file.startsWith("blkio.");
}

/** What a lever acts on, in one word: two that have the same cannot both be held. */
export function leverKey(lever: Lever): string {
  switch (lever.kind) {
    case "cgroup":
      return `cgroup ${lever.inode} ${lever.file} ${lever.device ?? "-"}`;
    case "nice":
    case "thread":
    case "stop":
      return `${lever.kind} ${lever.pid} ${lever.startTicks}`;
    case "shape":
    case "link":
      return `${lever.kind} ${lever.ifindex}`;
    case "domain":
      return `domain ${lever.uri} ${lever.domain}`;
  }
}

/** For the record. */
export function leverText(lever: Lever): string {
  switch (lever.kind) {
    case "cgroup":
      return `${lever.directory}/${lever.file}${lever.device === null ? "" : ` of ${lever.device}`}`;
    case "nice":
      return `nice value of pid ${lever.pid}`;
    case "thread":
      return `nice value of thread ${lever.pid}`;
    case "stop":
      return `stopped pid ${lever.pid}`;
    case "shape":
      return `traffic of ${lever.interface}`;
    case "link":
      return `link of ${lever.interface}`;
    case "domain":
      return `suspended domain ${lever.domain}`;
  }
}

/**
 * What a file says, in the words of {@link CgroupLever.value}: one line, or that of `device`. Of `freezer.state` it is to
 * be given the text of `freezer.self_freezing` (0 or 1), as the other says FROZEN of one whose parent is.
 * @returns null when the text says nothing
 */
export function readLeverText(file: LeverFile, device: string | null, text: string): string | null {
  const line = text.split("\n", 1)[0] ?? "";
  if (file === "freezer.state") return line === "1" ? "FROZEN" : line === "0" ? "THAWED" : null;
  if (device === null) return isLeverValue(file, line) ? line : null;
  const found = text.split("\n").find((each) => each.startsWith(`${device} `));
  if (found === undefined) return file === "io.max" ? "rbps=max wbps=max riops=max wiops=max" : "0";
  const value = found.slice(device.length + 1);
  return isLeverValue(file, value) ? value : null;
}

const SHAPES: Readonly<Record<LeverFile, RegExp>> = {
  "cpu.cfs_quota_us": /^(-1|[1-9][0-9]{0,14})$/,
  "cpu.max": /^(max|[1-9][0-9]{0,14}) [1-9][0-9]{0,14}$/,
  "blkio.throttle.read_bps_device": /^(0|[1-9][0-9]{0,19})$/,
  "blkio.throttle.write_bps_device": /^(0|[1-9][0-9]{0,19})$/,
  "blkio.throttle.read_iops_device": /^(0|[1-9][0-9]{0,19})$/,
  "blkio.throttle.write_iops_device": /^(0|[1-9][0-9]{0,19})$/,
  "io.max":
    /^(rbps|wbps|riops|wiops)=(max|[1-9][0-9]{0,19})( (rbps|wbps|riops|wiops)=(max|[1-9][0-9]{0,19})){0,3}$/,
  "freezer.state": /^(THAWED|FROZEN)$/,
  "cgroup.freeze": /^[01]$/,
};

export function isLeverValue(file: LeverFile, value: string): boolean {
  return SHAPES[file].test(value);
}

const DEVICE = /^[0-9]{1,4}:[0-9]{1,7}$/;
const URI = /^[a-z][A-Za-z0-9+]*:[A-Za-z0-9+:/._?=&@%~,-]*$/;
const NAME_BYTES = 255;

function isId(number: number): boolean {
  return Number.isSafeInteger(number) && number > 0 && number < 1e15;
}

/** Whether a lever can be journaled: all of it is of the form that it says, and on one line. */
export function isLever(lever: Lever): boolean {
  switch (lever.kind) {
    case "cgroup": {
      const { directory, inode, file, device, value } = lever;
      if (!LEVER_FILES.includes(file) || !isLeverValue(file, value) || !isId(inode)) return false;
      if (isPerDevice(file) ? device === null || !DEVICE.test(device) : device !== null) return false;
      return directory.startsWith("/") && !directory.includes("\n") && !directory.includes("\0");
    }
    case "nice":
    case "thread":
      return isProcess(lever) && isNice(lever.value);
    case "stop":
      return isProcess(lever);
    case "shape":
    case "link":
      // dev_valid_name of net/core/dev.c: no white space, no slash, no colon, at most 15 bytes. And no control character,
      // which the kernel would take: one marks a line of the journal that was not finished.
      return isId(lever.ifindex) && /^[^-\s/:\0-\x1f][^\s/:\0-\x1f]{0,14}$/.test(lever.interface);
    case "domain":
      return URI.test(lever.uri) && isDomain(lever.domain);
  }
}

function isProcess({ pid, startTicks }: { readonly pid: number; readonly startTicks: number }): boolean {
  return isId(pid) && pid > 1 && Number.isSafeInteger(startTicks) && startTicks >= 0 && startTicks < 1e15;
}

/** setpriority(2). */
export function isNice(value: number): boolean {
  return Number.isInteger(value) && value >= -20 && value <= 19;
}

function isDomain(name: string): boolean {
  return name.length <= NAME_BYTES && /^[^-\0-\x1f/][^\0-\x1f/]*$/.test(name);
}
