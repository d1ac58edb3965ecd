/** What the files say of CPU, disk, I/O, network, virtual machines and applications; see compile.ts. */
import { compileApplications } from "./compile-applications.ts";
import type { PolicyLayer } from "./document.ts";
import type {
  CpuDocument,
  DiskDocument,
  FairUseDocument,
  IoDocument,
  MountDocument,
  NetDocument,
  RatesDocument,
  RoomDocument,
  VmDocument,
} from "./document-resources.ts";
import { merged, needed, recoverDefault } from "./layers.ts";
import type { Amount } from "./policy.ts";
import type {
  CpuPolicy,
  DiskPolicy,
  FairUsePolicy,
  IoPolicy,
  NetPolicy,
  PlaceRule,
  RatesPolicy,
  ResourcePolicies,
  Room,
  VmPolicy,
} from "./resources.ts";

/** The load ends at this share of `busy`, where no `recover` is said. */
const RECOVER_OF_BUSY = 0.9;
/** Nothing that is written to at this moment is removed, unless a place says so. */
const PLACE_AGE_MS = 60_000;

type Tables<T> = readonly (T | undefined)[];

/** @param layers as compilePolicy */
export function compileResources(layers: readonly PolicyLayer[]): ResourcePolicies {
  return {
    cpu: cpuOf(layers.map(({ document }) => document.cpu)),
    disk: diskOf(layers.map(({ document }) => document.disk)),
    io: ioOf(layers.map(({ document }) => document.io)),
    net: netOf(layers.map(({ document }) => document.net)),
    vm: vmOf(layers.map(({ document }) => document.vm)),
    app: compileApplications(layers.map(({ document }) => document)),
  };
}

/** A reader of keys that some layer says. */
function asked<T extends object>(said: T, table: string) {
  return <K extends keyof T & string>(key: K): NonNullable<T[K]> => needed(said[key], `${table}.${key}`);
}

function cpuOf(tables: Tables<CpuDocument>): CpuPolicy {
  const need = asked(merged<CpuDocument>(tables), "cpu");
  const busyShare = need("busy");
  return {
    enabled: need("enabled"),
    intervalMs: need("interval"),
    busyShare,
    recoverShare: inherited(tables, "busy", "recover") ?? rounded(busyShare * RECOVER_OF_BUSY),
    window: need("window"),
    inARow: need("in_a_row"),
    ladder: need("ladder"),
    fairUse: need("fair_use") === false ? null : fairUseOf(tables.map((table) => table?.fair_use)),
  };
}

/** 0.9 × 0.9 is not 0.81 in binary fractions. */
function rounded(share: number): number {
  return Math.round(share * 1e9) / 1e9;
}

function fairUseOf(tables: readonly (FairUseDocument | false | undefined)[]): FairUsePolicy | null {
  const need = asked(merged<FairUseDocument>(tables), "cpu.fair_use");
  // Whom it is about is what switches it on.
  if (need("cgroups").length === 0) return null;
  return {
    cgroups: need("cgroups"),
    cores: need("cores"),
    windowMs: need("window"),
    warnMs: need("warn"),
    quarantineMs: need("quarantine"),
    quarantineCores: need("quarantine_cores"),
    releaseMs: need("release"),
    measureMs: need("measure"),
  };
}

/** The topmost `end` that belongs to a `begin`: one of a layer whose `begin` was overridden says nothing of the new. */
function inherited<T extends object, E extends keyof T>(tables: Tables<T>, begin: keyof T, end: E) {
  let found: T[E] | undefined;
  for (const table of tables) {
    if (table === undefined) continue;
    found = table[end] ?? (table[begin] === undefined ? found : undefined);
  }
  return found;
}

function roomOf(tables: Tables<RoomDocument>, what: "space" | "inodes"): Room {
  const low = needed(merged<RoomDocument>(tables)[what], `disk.${what}`);
  const recover: Amount | undefined = inherited(tables, what, `${what}_recover`);
  return { low, recover: recover ?? recoverDefault(low) };
}

function diskOf(tables: Tables<DiskDocument>): DiskPolicy {
  const need = asked(merged<DiskDocument>(tables), "disk");
  return {
    enabled: need("enabled"),
    intervalMs: need("interval"),
    intervalMinMs: need("interval_min"),
    horizonMs: need("horizon"),
    space: roomOf(tables, "space"),
    inodes: roomOf(tables, "inodes"),
    mounts: need("mounts").map((mount) => ({
      path: mount.path,
      enabled: mount.enabled ?? true,
      space: mountRoom(tables, mount, "space"),
      inodes: mountRoom(tables, mount, "inodes"),
    })),
    places: need("places").map(
      ({ files, age, order, method }): PlaceRule => ({
        files,
        ageMs: age ?? PLACE_AGE_MS,
        order: order ?? "oldest",
        method: method ?? "auto",
      }),
    ),
    abnormalFactor: need("abnormal"),
    ladder: need("ladder"),
  };
}

/** Null where the mount says nothing of it. */
function mountRoom(
  tables: Tables<DiskDocument>,
  mount: MountDocument,
  what: "space" | "inodes",
): Room | null {
  if (mount[what] === undefined && mount[`${what}_recover`] === undefined) return null;
  return roomOf([...tables, mount], what);
}

function ioOf(tables: Tables<IoDocument>): IoPolicy {
  const need = asked(merged<IoDocument>(tables), "io");
  return {
    enabled: need("enabled"),
    intervalMs: need("interval"),
    busyShare: need("busy"),
    stallShare: need("stall"),
    forMs: need("for"),
    cgroups: need("cgroups"),
    devices: need("devices"),
    bytesMinPerSecond: need("bytes_min"),
    operationsMinPerSecond: need("operations_min"),
    releaseMs: need("release"),
    measureMs: need("measure"),
    ladder: need("ladder"),
  };
}

function netOf(tables: Tables<NetDocument>): NetPolicy {
  const need = asked(merged<NetDocument>(tables), "net");
  return {
    enabled: need("enabled"),
    interfaces: need("interfaces"),
    never: need("never"),
    duplicate: need("duplicate"),
    retestMs: need("retest"),
    expiryMs: need("expiry"),
    movingMacs: need("moving_macs"),
    rates: need("rates") === false ? null : ratesOf(tables.map((table) => table?.rates)),
  };
}

function ratesOf(tables: readonly (RatesDocument | false | undefined)[]): RatesPolicy | null {
  const need = asked(merged<RatesDocument>(tables), "net.rates");
  if (need("interfaces").length === 0) return null;
  return {
    intervalMs: need("interval"),
    interfaces: need("interfaces"),
    window: need("window"),
    bytesPerSecond: need("bytes"),
    packetsPerSecond: need("packets"),
    downBytesPerSecond: need("down_bytes"),
    downPacketsPerSecond: need("down_packets"),
    steps: need("steps").map(({ rate, delay }) => ({ bytesPerSecond: rate, delayMs: delay ?? 0 })),
    stepMs: need("step"),
    relaxMs: need("relax"),
    down: need("down"),
  };
}

function vmOf(tables: Tables<VmDocument>): VmPolicy {
  const said = merged<VmDocument>(tables);
  const need = asked(said, "vm");
  return {
    enabled: need("enabled"),
    uri: need("uri"),
    intervalMs: need("interval"),
    never: need("never"),
    order: need("order"),
    hibernateAt: need("hibernate_at") || null,
    freezeOnCpu: need("freeze_on_cpu"),
    resumeAfterMs: need("resume_after"),
    destroy: need("destroy"),
    qemuCgroups: need("qemu_cgroups"),
    deadlineMs: need("deadline"),
  };
}
