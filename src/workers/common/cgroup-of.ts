/**
 * The memory controller's line of /proc/PID/cgroup: `0::/path` on v2, `N:…memory…:/path` on v1 (cgroups(7)).
 * @returns null when there is none
 */
export function memoryCgroupOf(text: string, version: 1 | 2): string | null {
  for (const line of text.split("\n")) {
    const match = /^(\d+):([^:]*):(\/.*)$/s.exec(line);
    if (!match) continue;
    const [, number, controllers, cgroup] = match as unknown as [string, string, string, string];
    if (version === 2 ? number === "0" && controllers === "" : controllers.split(",").includes("memory"))
      return cgroup;
  }
  return null;
}
