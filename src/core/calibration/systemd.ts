import type { LimitAdvice } from "./recommend.ts";

/** A systemd unit that a cgroup is of, by its path: systemd names a unit's cgroup after the unit (systemd.slice(5)). */
export interface SystemdUnit {
  readonly name: string;
  /** Of which user's manager; null: the system's. */
  readonly uid: number | null;
}

/** What systemd lets a unit's name consist of (systemd.unit(5)), and those kinds that can be given limits for long. */
const UNIT_NAME = /^[A-Za-z0-9:_.\\@-]+\.(?:service|scope|slice)$/;
const USER_MANAGER = /^user@(\d+)\.service$/;

/** @param path of a cgroup, such as `/system.slice/nginx.service`. @returns null when its leaf is no unit */
export function unitOf(path: string): SystemdUnit | null {
  const components = path.split("/");
  // What would be taken for a file of the kernel's has a "_" before it.
  const name = (components.pop() ?? "").replace(/^_/, "");
  if (!UNIT_NAME.test(name) || name.length > 255) return null;
  // Above a unit are slices alone and, of a user's, the manager: else it is of a system within this one.
  const others = components.filter((component) => component !== "" && !component.endsWith(".slice"));
  if (others.length > 1) return null;
  const [other] = others;
  if (other === undefined) return { name, uid: null };
  const manager = USER_MANAGER.exec(other);
  return manager === null ? null : { name, uid: Number(manager[1]) };
}

export const DROP_IN_FILE = "50-plimsoll.conf";

/** Where a unit's drop-in lies below the directory that is written to. */
export function dropInPath({ name, uid }: SystemdUnit): string {
  return `${uid === null ? "" : `user-${uid}/`}${name}.d/${DROP_IN_FILE}`;
}

/** A drop-in (systemd.resource-control(5)); sizes in bytes, which is exact. */
export function dropInText(unit: SystemdUnit, advice: LimitAdvice, version: string): string {
  const kind = unit.name.slice(unit.name.lastIndexOf(".") + 1);
  return [
    `# Written by plimsoll ${version} recommend, for ${unit.name}: ${advice.why}.`,
    `[${kind.charAt(0).toUpperCase()}${kind.slice(1)}]`,
    `MemoryLow=${advice.lowBytes}`,
    `MemoryHigh=${advice.highBytes}`,
    `MemoryMax=${advice.maxBytes}`,
    "",
  ].join("\n");
}

/** The command that sets the limit of a cgroup by hand, for a POSIX shell. */
export function limitCommand(path: string, { maxBytes }: LimitAdvice, version: 1 | 2): string {
  const file =
    version === 1 ? `/sys/fs/cgroup/memory${path}/memory.limit_in_bytes` : `/sys/fs/cgroup${path}/memory.max`;
  return `echo ${maxBytes} > ${shellWord(file)}`;
}

function shellWord(text: string): string {
  return /^[A-Za-z0-9_./@:-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
