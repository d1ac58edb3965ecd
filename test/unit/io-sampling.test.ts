/** Block devices out of files: which ones, by which names, as they come and go. */
import fs from "node:fs";
import path from "node:path";
import { describe, expect, test, type TestContext } from "vitest";
import { Io } from "../../src/core/io/columns.ts";
import { Device } from "../../src/core/io/device.ts";
import { deviceNumber, majorMinor, WRAP_US } from "../../src/core/parse/diskstats.ts";
import type { IoPolicy } from "../../src/core/policy/resources.ts";
import type { NamedThing } from "../../src/core/resources/resource.ts";
import { RESOURCE_COLUMNS } from "../../src/core/resources/tables.ts";
import { RingReader } from "../../src/core/ring/reader.ts";
import { createRing } from "../../src/core/ring/views.ts";
import { deviceOfStat, diskOf } from "../../src/workers/common/block-device.ts";
import { ioCgroupOf } from "../../src/workers/common/cgroup-io.ts";
import type { WorkerContext } from "../../src/workers/common/worker.ts";
import { IoSampler } from "../../src/workers/sampler/host/io-sampler.ts";
import { testDirectory } from "../support/guard.ts";
import { IO_POLICY } from "../support/io-world.ts";

const PRESSURE =
  "some avg10=0.00 avg60=0.00 avg300=0.00 total=900\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=70\n";
const line = (id: string, name: string, first = 1): string => {
  const [major = "", minor = ""] = id.split(":");
  return `${major.padStart(4)} ${minor.padStart(7)} ${name} ${first} 2 3 4 5 6 7 8 9 10 11 0 0 0 0\n`;
};

class Host {
  readonly root: string;
  readonly ring = createRing({ columns: RESOURCE_COLUMNS.io, rowsPerSegment: 64, segments: 3 });
  readonly reader = new RingReader(this.ring);
  readonly said: { appeared: string[]; gone: number[] }[] = [];
  readonly names = new Map<number, string>();
  readonly warnings: string[] = [];

  constructor(context: TestContext) {
    this.root = testDirectory(context);
    fs.mkdirSync(path.join(this.root, "pressure"));
    fs.writeFileSync(path.join(this.root, "pressure/io"), PRESSURE);
  }

  disks(...lines: readonly string[]): void {
    fs.writeFileSync(path.join(this.root, "diskstats"), lines.join(""));
  }

  partition(id: string): void {
    fs.mkdirSync(path.join(this.root, "dev/block", id), { recursive: true });
    fs.writeFileSync(path.join(this.root, "dev/block", id, "partition"), "1\n");
  }

  sampler(io: Partial<IoPolicy> = {}): IoSampler {
    const start = {
      resourceRings: { io: this.ring },
      policy: { io: { ...IO_POLICY, ...io } },
      roots: { proc: this.root },
    };
    const log = (_: string, text: string): void => void this.warnings.push(text);
    const announce = (appeared: readonly NamedThing[], gone: readonly number[]): void => {
      this.said.push({ appeared: appeared.map(({ name }) => name), gone: [...gone] });
      for (const { number, name } of appeared) this.names.set(number, name);
    };
    return new IoSampler({ start, log } as unknown as WorkerContext, announce, this.root);
  }

  rows(): Float64Array[] {
    const rows: Float64Array[] = [];
    for (let row = new Float64Array(13); this.reader.next(row); row = new Float64Array(13)) rows.push(row);
    return rows;
  }

  sampled(sampler: IoSampler): (string | undefined)[] {
    sampler.sample(5);
    return this.rows().map((row) => this.names.get(row[Io.device] as number));
  }
}

describe("the sampler", () => {
  test("takes whole disks that have done something; no partitions, no memory, none that the policy does not name", (context) => {
    const host = new Host(context);
    host.partition("8:1");
    host.disks(
      line("1:0", "ram0"),
      line("253:0", "zram0"),
      line("7:0", "loop0").replace(/ 1 2 3 4 5 .*/, " 0 0 0 0 0 0 0 0 0 0 0"),
      line("7:1", "loop1"),
      line("8:0", "sda"),
      line("8:1", "sda1"),
      line("9:127", "md127"),
      line("252:3", "dm-3"),
      line("259:0", "nvme0n1"),
    );
    const sampler = host.sampler({ devices: ["sd*", "loop*", "md*", "dm-?"] });
    expect(host.sampled(sampler)).toEqual(["loop1", "sda", "md127", "dm-3"]);
    expect(host.sampled(sampler)).toEqual(["loop1", "sda", "md127", "dm-3"]);
    expect(host.said).toHaveLength(1);
  });

  test("writes what the kernel says, in bytes and microseconds", (context) => {
    const host = new Host(context);
    host.disks(line("8:16", "sdb", 77));
    host.sampler().sample(1234);
    const [row] = host.rows();
    const number = deviceNumber(8, 16);
    expect([...(row as Float64Array)]).toEqual([
      1234,
      number,
      77,
      3 * 512,
      4000,
      5,
      7 * 512,
      8000,
      9,
      10_000,
      11_000,
      900,
      70,
    ]);
    expect(majorMinor(number)).toBe("8:16");
  });

  test("says which devices come, go, and have the number of another", (context) => {
    const host = new Host(context);
    host.disks(line("8:0", "sda"), line("8:16", "sdb"));
    const sampler = host.sampler();
    sampler.sample(1);
    host.disks(line("8:0", "sda"), line("259:0", "nvme0n1"));
    sampler.sample(2);
    host.disks(line("8:0", "sdz"), line("259:0", "nvme0n1"));
    sampler.sample(3);
    expect(host.said).toEqual([
      { appeared: ["sda", "sdb"], gone: [] },
      { appeared: ["nvme0n1"], gone: [deviceNumber(8, 16)] },
      { appeared: ["sdz"], gone: [deviceNumber(8, 0)] },
    ]);
  });

  test("tells all names anew with a policy, and those that are left out as gone", (context) => {
    const host = new Host(context);
    host.disks(line("8:0", "sda"), line("8:16", "sdb"));
    const sampler = host.sampler();
    sampler.sample(1);
    const adopt = (io: Partial<IoPolicy>): void =>
      sampler.takePolicy({ io: { ...IO_POLICY, ...io } } as unknown as Parameters<
        IoSampler["takePolicy"]
      >[0]);
    adopt({ devices: ["sdb"] });
    expect(host.sampled(sampler).at(-1)).toBe("sdb");
    adopt({ enabled: false });
    expect(sampler.intervalMs).toBe(Number.POSITIVE_INFINITY);
    sampler.sample(3);
    expect(host.rows()).toEqual([]);
    expect(host.said.slice(1)).toEqual([
      { appeared: ["sdb"], gone: [deviceNumber(8, 0)] },
      { appeared: [], gone: [deviceNumber(8, 16)] },
    ]);
  });

  test("reads more devices than the kernel gives at once", (context) => {
    const host = new Host(context);
    const names = Array.from({ length: 400 }, (_, i) => `sd${i}`);
    host.disks(...names.map((name, i) => line(`8:${i}`, name)));
    const seen = host.sampled(host.sampler());
    // The ring of this test holds the newest 128 of them.
    expect(seen.slice(-128)).toEqual(names.slice(-seen.length).slice(-128));
    expect(host.names.size).toBe(400);
  });

  test("has no stall times where the kernel has none, and no rows where there is no diskstats", (context) => {
    const host = new Host(context);
    fs.rmSync(path.join(host.root, "pressure/io"));
    expect(host.sampler().intervalMs).toBe(Number.POSITIVE_INFINITY);
    expect(host.warnings[0]).toMatch(/expected .*diskstats/);
    host.disks(line("8:0", "sda"));
    host.sampler().sample(1);
    expect(host.rows()[0]?.[Io.someStallUs]).toBeNaN();
  });
});

describe("a device's rates", () => {
  const row = (timeUs: number, columns: Partial<Record<keyof typeof Io, number>>): Float64Array => {
    const frame = new Float64Array(13);
    frame[Io.timeUs] = timeUs;
    for (const [name, value] of Object.entries(columns)) frame[Io[name as keyof typeof Io]] = value;
    return frame;
  };

  test("are differences over the time between two samples", () => {
    const device = new Device(1);
    device.sample(row(0, {}), IO_POLICY);
    const counts = { reads: 300, readBytes: 4096, readUs: 900, writes: 100, writeUs: 300, busyUs: 1_000_000 };
    device.sample(row(2_000_000, { ...counts, weightedUs: 5_000_000, someStallUs: 250_000 }), IO_POLICY);
    expect(device.rates.figures()).toEqual({
      busyShare: 0.5,
      stallShare: 0.125,
      operationsPerSecond: 200,
      bytesPerSecond: 2048,
      queue: 2.5,
      latencyUs: 3,
    });
  });

  test("survive the wrap of the kernel's times, and are not known when counters were set back", () => {
    const device = new Device(1);
    device.sample(row(0, { busyUs: WRAP_US - 400_000, reads: 50 }), IO_POLICY);
    device.sample(row(1_000_000, { busyUs: 100_000, reads: 10 }), IO_POLICY);
    expect(device.rates.busyShare).toBeCloseTo(0.5);
    expect(device.rates.figures()["operationsPerSecond"]).toBeNull();
  });
});

describe("where things are", () => {
  test("stat(2)'s numbers of devices are taken apart as makedev(3) puts them together", () => {
    expect(majorMinor(deviceOfStat(0x801))).toBe("8:1");
    expect(majorMinor(deviceOfStat(0x10_3_05 + 2 ** 20))).toBe("259:261");
    // 12 bits and more of the minor are above the major's.
    expect(majorMinor(deviceOfStat(0x1_00_8_34))).toBe("8:308");
  });

  test("a file in memory is on no disk", () => {
    expect(diskOf("/proc/self/status", "/sys")).toBeNull();
    expect(diskOf("/no/such/file", "/sys")).toBeNull();
  });

  test("the cgroup of I/O, v1 and v2", () => {
    const text = "9:name=systemd:/init\n7:blkio:/a b\n4:memory:/m\n0::/unified\n";
    expect(ioCgroupOf(text, 1)).toBe("/a b");
    expect(ioCgroupOf(text, 2)).toBe("/unified");
    expect(ioCgroupOf("4:memory:/m\n", 1)).toBeNull();
  });
});
