import type { Mount } from "../parse/mountinfo.ts";

/** Which file systems can run full, and how they may be asked without hanging. */
export interface Guarded {
  /** Asked on the sampler's own thread. */
  readonly local: readonly Mount[];
  /** May take for ever to answer: a server or another process is behind them. Each is asked by a process of its own. */
  readonly apart: readonly Mount[];
}

/** Behind these is a network or a process. Every fuse.* is too. */
const REMOTE = new Set(
  "nfs nfs4 cifs smb3 smbfs ncpfs 9p ceph glusterfs fuse fuseblk virtiofs afs coda lustre orangefs pvfs2 gfs2 ocfs2 beegfs gpfs".split(
    " ",
  ),
);
/** Without a device, but with space of their own that runs out. All other types without one are pseudo file systems. */
const WITHOUT_DEVICE = new Set("tmpfs overlay zfs ubifs jffs2 ecryptfs aufs bcachefs".split(" "));
/** Made once, full for ever. */
const NEVER_WRITTEN = new Set("squashfs iso9660 erofs cramfs romfs".split(" "));

export function isRemote(type: string): boolean {
  return REMOTE.has(type) || type.startsWith("fuse.");
}

/**
 * Whether files can be written there that take up space of its own.
 * @param withDevice types of file systems on block devices: those that /proc/filesystems does not call `nodev`
 */
function canFill({ type, path, superOptions }: Mount, withDevice: ReadonlySet<string>): boolean {
  // Read-only through this mount alone is none: others write through theirs.
  if (NEVER_WRITTEN.has(type) || superOptions.includes("ro")) return false;
  // One of a container is a view on a file system that has a mount of its own; as the root it is all there is to see.
  if (type === "overlay") return path === "/";
  return isRemote(type) || WITHOUT_DEVICE.has(type) || withDevice.has(type);
}

/**
 * The mounts to watch: one a file system (bind mounts show the same space), that can be reached by its path.
 * @param mounts of /proc/self/mountinfo
 * @param suspects ids of mounts that have hung before: asked apart from now on
 */
export function guardedMounts(
  mounts: readonly Mount[],
  withDevice: ReadonlySet<string>,
  suspects: ReadonlySet<number>,
): Guarded {
  const best = new Map<string, Mount>();
  const reached = reachable(mounts);
  for (const mount of reached) {
    if (!canFill(mount, withDevice) || mount.path.includes("�")) continue;
    const known = best.get(mount.device);
    if (known === undefined || compare(mount, known) < 0) best.set(mount.device, mount);
  }
  const hanging = reached
    .filter(({ id, type }) => isRemote(type) || suspects.has(id))
    .map(({ path }) => path);
  const all = [...best.values()].toSorted((a, b) => a.id - b.id);
  const apart = all.filter(({ path }) => hanging.some((each) => isWithin(path, each)));
  return { local: all.filter((mount) => !apart.includes(mount)), apart };
}

/** Below 0: `a` shows the file system better: it may be written to, is all of it, and has the shorter path. */
function compare(a: Mount, b: Mount): number {
  const readOnly = (mount: Mount): number => (mount.options.includes("ro") ? 1 : 0);
  const part = (mount: Mount): number => (mount.root === "/" ? 0 : 1);
  return readOnly(a) - readOnly(b) || part(a) - part(b) || a.path.length - b.path.length || a.id - b.id;
}

function isWithin(path: string, directory: string): boolean {
  return directory === "/" || path === directory || path.startsWith(`${directory}/`);
}

/**
 * Those that their path leads to: what is mounted over a path hides what was mounted there, and below it, before.
 * A mount's parent is the one that its mount point lies in.
 */
function reachable(mounts: readonly Mount[]): Mount[] {
  const ids = new Set(mounts.map(({ id }) => id));
  const children = new Map<number, Mount[]>();
  const found: Mount[] = [];
  const waiting: Mount[] = [];
  for (const mount of mounts) {
    if (!ids.has(mount.parent) || mount.parent === mount.id) waiting.push(mount);
    else children.set(mount.parent, [...(children.get(mount.parent) ?? []), mount]);
  }
  const seen = new Set<number>();
  for (let mount = waiting.pop(); mount !== undefined; mount = waiting.pop()) {
    // A table read while it changed may hold a circle.
    if (seen.has(mount.id)) continue;
    seen.add(mount.id);
    const within = children.get(mount.id) ?? [];
    const over = within.find(({ path }) => path === mount.path);
    if (over !== undefined) {
      waiting.push(over);
      continue;
    }
    found.push(mount);
    const points = new Set(within.map(({ path }) => path));
    for (const child of within) if (!hidden(child.path, mount.path, points)) waiting.push(child);
  }
  return found;
}

/** Whether one of `points` lies between `path` and the mount point it is looked for below. */
function hidden(path: string, below: string, points: ReadonlySet<string>): boolean {
  for (let at = path.lastIndexOf("/"); at > below.length || at > 0; at = path.lastIndexOf("/", at - 1)) {
    const parent = path.slice(0, at);
    if (parent.length <= below.length && below !== "/") return false;
    if (points.has(parent)) return true;
  }
  return false;
}
