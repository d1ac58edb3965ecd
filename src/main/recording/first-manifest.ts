import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { type Manifest, type ManifestStart, newManifest } from "../../core/dataset/manifest.ts";
import { findMemoryHierarchy } from "../../workers/common/cgroup-path.ts";
import { monotonicUs } from "../../workers/common/clock.ts";
import type { HostRoots } from "../../workers/common/roots.ts";
import { packageVersion } from "../cli/version.ts";

/** What is known of a recording beyond the host that it is made on, and the time. */
export type Recorded = Pick<
  ManifestStart,
  "resources" | "intervalMs" | "intervalsMs" | "statEvery" | "patterns" | "auditPath"
>;

/** The manifest of a recording that begins now, on this host. */
export function firstManifest(recorded: Recorded, roots: HostRoots): Manifest {
  const anchorWallMs = Date.now();
  return newManifest({
    programVersion: packageVersion(),
    host: os.hostname(),
    kernel: os.release(),
    bootId: bootId(roots.proc),
    cgroupVersion: findMemoryHierarchy(roots.cgroup)?.version ?? null,
    clock: { name: "CLOCK_MONOTONIC", anchorMonotonicUs: Math.round(monotonicUs()), anchorWallMs },
    zone: new Intl.DateTimeFormat().resolvedOptions().timeZone,
    startedAt: new Date(anchorWallMs).toISOString(),
    ...recorded,
  });
}

function bootId(procRoot: string): string | null {
  try {
    return fs.readFileSync(path.join(procRoot, "sys/kernel/random/boot_id"), "utf8").trim();
  } catch {
    return null;
  }
}
