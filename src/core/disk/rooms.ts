import { compilePatterns } from "../cgroups/pattern.ts";
import { amountBytes } from "../policy/policy.ts";
import type { DiskPolicy, Room } from "../policy/resources.ts";
import { Space } from "./columns.ts";

/** What the policy asks of one mount; null: it is not looked at. */
export interface Rooms {
  readonly space: Room | null;
  readonly inodes: Room | null;
}

/** What is asked of a mount by its path. Compiled once a policy. */
export function roomsByPath({ space, inodes, mounts }: DiskPolicy): (path: string) => Rooms | null {
  const rules = mounts.map((rule) => ({
    rule,
    // The root's path is no pattern of names.
    fits: rule.path === "/" ? (path: string) => path === "/" : compilePatterns([rule.path]),
  }));
  return (path) => {
    const rule = rules.findLast(({ fits }) => fits(path))?.rule;
    if (rule === undefined) return { space, inodes };
    return rule.enabled ? { space: rule.space ?? space, inodes: rule.inodes ?? inodes } : null;
  };
}

/** Lines of one mount on what is free, of space in bytes, of inodes in inodes. NaN: there is none. */
export interface Lines {
  low: number;
  recover: number;
}

/** The lines on a room of so much in all. Total 0, or not known: the file system has no bound, so no lines. */
export function setLines(lines: Lines, room: Room | null, total: number): void {
  const bounded = room !== null && total > 0;
  lines.low = bounded ? Math.min(amountBytes(room.low, total), total) : Number.NaN;
  lines.recover = bounded ? Math.min(amountBytes(room.recover, total), total) : Number.NaN;
}

/**
 * All the space there is for those who are not root: what root alone may use is never free for them, as df(1) counts
 * it.
 */
export function usableBytes(frame: Float64Array): number {
  const total = frame[Space.totalBytes] as number;
  return total - ((frame[Space.freeBytes] as number) - (frame[Space.availableBytes] as number));
}
