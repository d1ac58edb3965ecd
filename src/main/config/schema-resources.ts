/** The shapes of [cpu], [disk], [io], [net] and [vm]; see schema.ts. */
import { countWithin, durationWithin, numberUpTo, readAmount, readBoolean } from "./read-values.ts";
import { readCgroupPattern, readRate, readShare, sizeWithin } from "./read-values.ts";
import {
  namePattern,
  readCountOrShare,
  readInterfacePattern,
  readLevelOrFalse,
  readMacPattern,
  readMountPattern,
  readPlace,
  readUri,
  wordOf,
} from "./read-resource-values.ts";
import { CORES_MAX, CPU_RUNGS, DISK_RUNGS, IO_RUNGS, ladderOf } from "./schema-ladder.ts";
import { HOUR_MS, list, scalar, table, tableOrFalse } from "./schema-parts.ts";

const DAY_MS = 24 * HOUR_MS;
const TIB = 2 ** 40;
const COUNT_MAX = 1_000_000;

const boolean = scalar(readBoolean);
const share = scalar(readShare);
/** Between two looks at files of the kernel: no more than a hundred times a second. */
const interval = scalar(durationWithin(10, HOUR_MS));
const lasting = scalar(durationWithin(0, HOUR_MS));
const time = scalar(durationWithin(1000, DAY_MS));
const bytes = scalar(sizeWithin(1, TIB));
const cgroups = list(
  scalar(readCgroupPattern),
  'an array of patterns of cgroups, such as ["/machine.slice/**"]',
);
const interfaces = list(scalar(readInterfacePattern), 'an array of patterns of names, such as ["vxlan*"]');
const domains = list(
  scalar(namePattern("a domain's name", "build-*")),
  'an array of patterns of names, such as ["build-*"]',
);

const fairUseShape = {
  cgroups,
  cores: scalar(numberUpTo(CORES_MAX)),
  window: time,
  warn: scalar(durationWithin(0, DAY_MS)),
  quarantine: scalar(durationWithin(0, DAY_MS)),
  quarantine_cores: scalar(numberUpTo(CORES_MAX)),
  release: time,
  measure: scalar(durationWithin(100, HOUR_MS)),
};

const cpuShape = {
  enabled: boolean,
  interval,
  busy: share,
  recover: share,
  window: scalar(countWithin(1, 3600)),
  in_a_row: scalar(countWithin(1, 3600)),
  ladder: ladderOf(CPU_RUNGS),
  fair_use: tableOrFalse(fairUseShape),
};

const roomShape = {
  space: scalar(readAmount),
  space_recover: scalar(readAmount),
  inodes: scalar(readCountOrShare),
  inodes_recover: scalar(readCountOrShare),
};
const mountShape = { path: scalar(readMountPattern), enabled: boolean, ...roomShape };
const placeShape = {
  files: scalar(readPlace),
  age: scalar(durationWithin(0, 10_000 * HOUR_MS)),
  order: scalar(wordOf("oldest", "largest")),
  method: scalar(wordOf("auto", "delete", "truncate")),
};

const diskShape = {
  enabled: boolean,
  interval,
  interval_min: interval,
  horizon: lasting,
  ...roomShape,
  abnormal: scalar(numberUpTo(COUNT_MAX)),
  ladder: ladderOf(DISK_RUNGS),
  mounts: list(table(mountShape, ["path"]), 'an array of tables, such as [{ path = "/srv", space = "2%" }]'),
  places: list(
    table(placeShape, ["files"]),
    'an array of tables, such as [{ files = "/var/log/app/*.log", age = "1h" }]',
  ),
};

const ioShape = {
  enabled: boolean,
  interval,
  busy: share,
  stall: share,
  for: lasting,
  cgroups,
  devices: list(
    scalar(namePattern("a block device's name", "sd*")),
    'an array of patterns of names, such as ["sd*", "nvme*"]',
  ),
  bytes_min: bytes,
  operations_min: scalar(countWithin(1, COUNT_MAX)),
  release: time,
  measure: scalar(durationWithin(100, HOUR_MS)),
  ladder: ladderOf(IO_RUNGS),
};

const stepShape = { rate: bytes, delay: scalar(durationWithin(0, 10_000)) };
const ratesShape = {
  interval,
  interfaces,
  window: scalar(countWithin(1, 3600)),
  bytes,
  packets: scalar(readRate),
  down_bytes: bytes,
  down_packets: scalar(readRate),
  steps: list(table(stepShape, ["rate"]), 'an array of tables, such as [{ rate = "10MB", delay = "10ms" }]'),
  step: scalar(durationWithin(100, HOUR_MS)),
  relax: scalar(durationWithin(1000, HOUR_MS)),
  down: boolean,
};

const netShape = {
  enabled: boolean,
  interfaces,
  never: interfaces,
  duplicate: scalar(wordOf("log", "down", "retest")),
  retest: time,
  expiry: time,
  moving_macs: list(scalar(readMacPattern), 'an array of patterns, such as ["02:00:5e:*"]'),
  rates: tableOrFalse(ratesShape),
};

const vmShape = {
  enabled: boolean,
  uri: scalar(readUri),
  interval: scalar(durationWithin(1000, HOUR_MS)),
  never: domains,
  order: domains,
  hibernate_at: scalar(readLevelOrFalse),
  freeze_on_cpu: boolean,
  resume_after: lasting,
  destroy: boolean,
  qemu_cgroups: cgroups,
  deadline: scalar(durationWithin(1000, HOUR_MS)),
};

/** The tables, as keys of the file. */
export const resourceTables = {
  cpu: table(cpuShape),
  disk: table(diskShape),
  io: table(ioShape),
  net: table(netShape),
  vm: table(vmShape),
};

const SHAPES = [
  ["[cpu]", cpuShape],
  ["[cpu.fair_use]", fairUseShape],
  ["[disk]", diskShape],
  ["[[disk.mounts]]", mountShape],
  ["[[disk.places]]", placeShape],
  ["[io]", ioShape],
  ["[net]", netShape],
  ["[net.rates]", ratesShape],
  ["a step of [net.rates]", stepShape],
  ["[vm]", vmShape],
] as const;

/** Every key of theirs and where it belongs. */
export const RESOURCE_KEY_PLACES: readonly (readonly [key: string, place: string])[] = SHAPES.flatMap(
  ([place, shape]) => Object.keys(shape).map((key) => [key, place] as const),
);
