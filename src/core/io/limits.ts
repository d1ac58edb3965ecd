import type { IoPolicy } from "../policy/resources.ts";
import type { IoLimits } from "./action.ts";
import type { CgroupLoad } from "./looks.ts";

/** A direction in which a cgroup does less than this part of its whole is left alone, unless it does more than the minimum. */
const ASIDE = 0.1;

/**
 * What a cgroup is let do: `share` of what it does now, never below the policy's minimum. What it does aside (a program
 * that reads writes a line of its log now and then) is not limited: it is not the reason.
 */
export function limitsFor(load: CgroupLoad, share: number, policy: IoPolicy): IoLimits {
  const limit = (now: number, other: number, minimum: number): number | null => {
    if (now <= minimum && now < (now + other) * ASIDE) return null;
    return Math.max(Math.ceil(minimum), Math.ceil(now * share), 1);
  };
  const { bytesMinPerSecond: bytes, operationsMinPerSecond: operations } = policy;
  return {
    readBytes: limit(load.readBytes, load.writtenBytes, bytes),
    writtenBytes: limit(load.writtenBytes, load.readBytes, bytes),
    reads: limit(load.reads, load.writes, operations),
    writes: limit(load.writes, load.reads, operations),
  };
}

/** Whether `next` takes anything away that `now` still lets. */
export function isTighter(next: IoLimits, now: IoLimits): boolean {
  const less = (a: number | null, b: number | null): boolean =>
    (a ?? Number.POSITIVE_INFINITY) < (b ?? Number.POSITIVE_INFINITY);
  return (
    less(next.readBytes, now.readBytes) ||
    less(next.writtenBytes, now.writtenBytes) ||
    less(next.reads, now.reads) ||
    less(next.writes, now.writes)
  );
}

/** The lower of both in everything: what was imposed stays when more is. */
export function tightest(a: IoLimits, b: IoLimits): IoLimits {
  const lower = (x: number | null, y: number | null): number | null =>
    x === null ? y : y === null ? x : Math.min(x, y);
  return {
    readBytes: lower(a.readBytes, b.readBytes),
    writtenBytes: lower(a.writtenBytes, b.writtenBytes),
    reads: lower(a.reads, b.reads),
    writes: lower(a.writes, b.writes),
  };
}
