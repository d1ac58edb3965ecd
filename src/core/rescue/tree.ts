/** Which followed cgroup lies in which, by their paths. */
import type { Followed } from "./followed.ts";

/** Path of what a path lies in; null of the root. */
function above(path: string): string | null {
  if (path === "/" || path === "") return null;
  const slash = path.lastIndexOf("/");
  return slash <= 0 ? "/" : path.slice(0, slash);
}

/** Sets `parent`, `first` and `last` of all of them. `byPath` holds the same cgroups, by their paths. */
export function arrangeTree(byPath: ReadonlyMap<string, Followed>): void {
  const below = new Map<Followed | null, Followed[]>();
  for (const cgroup of byPath.values()) {
    cgroup.parent = null;
    for (let path = above(cgroup.path); path !== null; path = above(path)) {
      const parent = byPath.get(path);
      if (parent === undefined || parent === cgroup) continue;
      cgroup.parent = parent;
      break;
    }
    const siblings = below.get(cgroup.parent);
    if (siblings === undefined) below.set(cgroup.parent, [cgroup]);
    else siblings.push(cgroup);
  }
  let place = 0;
  // On the way down a cgroup is on the stack as itself, on the way up as the end of its part.
  const stack: { cgroup: Followed; down: boolean }[] = [];
  const push = (cgroups: readonly Followed[] | undefined): void => {
    for (const cgroup of cgroups ?? []) stack.push({ cgroup, down: true });
  };
  push(below.get(null));
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { cgroup, down } = next;
    if (!down) {
      cgroup.last = place;
      continue;
    }
    cgroup.first = ++place;
    stack.push({ cgroup, down: false });
    push(below.get(cgroup));
  }
}
