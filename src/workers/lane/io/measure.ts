import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { IoLoad } from "../../../core/io/action.ts";
import { IO_COLUMNS } from "../../../core/io/columns.ts";
import { Device } from "../../../core/io/device.ts";
import type { IoCounters } from "../../../core/parse/cgroup-io.ts";
import type { IoPolicy } from "../../../core/policy/resources.ts";
import type { Figures } from "../../../core/resources/resource.ts";
import { CgroupIoFiles, type IoHierarchy } from "../../common/cgroup-io.ts";
import { monotonicUs } from "../../common/clock.ts";
import { SYS_ROOT } from "../../common/roots.ts";
import { IoReader } from "../../sampler/host/io-sampler.ts";

/** What a device and a cgroup on it did while it was looked. */
export interface Measured {
  readonly figures: Figures;
  /** Null: the cgroup is gone, or did nothing that is counted. */
  readonly load: IoLoad | null;
  readonly gone: boolean;
}

export interface MeasureTarget {
  readonly procRoot: string;
  readonly hierarchy: IoHierarchy;
  readonly cgroup: string;
  readonly device: number;
  readonly policy: IoPolicy;
}

/** Looks twice, `overMs` apart. */
export async function measure(target: MeasureTarget, overMs: number): Promise<Measured> {
  const { procRoot, hierarchy, cgroup, device: number, policy } = target;
  const files = CgroupIoFiles.open(path.join(hierarchy.root, cgroup), hierarchy.version);
  const device = new Device(number);
  const frame = new Float64Array(IO_COLUMNS.length).fill(Number.NaN);
  const reader = new IoReader(procRoot, SYS_ROOT, ["*"], (line, row) => {
    if (line.device === number) frame.set(row);
  });
  const look = (): IoCounters | null => {
    reader.read(monotonicUs());
    device.sample(frame, policy);
    return files?.read()?.find((counters) => counters.device === number) ?? null;
  };
  try {
    const beganUs = monotonicUs();
    const first = look();
    await pause(overMs);
    const last = look();
    const seconds = (monotonicUs() - beganUs) / 1e6;
    const gone = files === null || files.read() === null;
    const load = first === null || last === null ? null : loadOf(first, last, seconds);
    return { figures: { ...device.rates.figures(), ...cgroupFigures(load) }, load, gone };
  } finally {
    reader.close();
    files?.close();
  }
}

/** What a cgroup does, as figures of the record. */
export function cgroupFigures(load: IoLoad | null): Figures {
  return {
    cgroupBytesPerSecond: load === null ? null : Math.round(load.readBytes + load.writtenBytes),
    cgroupOperationsPerSecond: load === null ? null : Math.round((load.reads + load.writes) * 10) / 10,
  };
}

function loadOf(first: IoCounters, last: IoCounters, seconds: number): IoLoad {
  return {
    readBytes: (last.readBytes - first.readBytes) / seconds,
    writtenBytes: (last.writtenBytes - first.writtenBytes) / seconds,
    reads: (last.reads - first.reads) / seconds,
    writes: (last.writes - first.writes) / seconds,
  };
}
