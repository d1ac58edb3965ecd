/** What a policy guards besides memory, when it acts and how: in plain words. */
import { formatBytes, formatDuration, formatShare } from "../units.ts";
import { describeApplications } from "./describe-applications.ts";
import { formatLadder } from "./describe-ladder.ts";
import { formatRoom } from "./lint-disk.ts";
import type { Policy } from "./policy.ts";
import type {
  CpuPolicy,
  DiskPolicy,
  FairUsePolicy,
  IoPolicy,
  MountRule,
  NetPolicy,
  PlaceRule,
  RatesPolicy,
  Room,
  VmPolicy,
} from "./resources.ts";

type Line = readonly [name: string, text: string];

/** Lines for describePolicy. */
export function describeResources({ scope, cpu, disk, io, net, vm, app }: Policy): Line[] {
  if (scope !== "host")
    return [["the rest", "not guarded: CPU, disks, I/O, network, machines and applications are the host's"]];
  return [
    ...(cpu.enabled ? describeCpu(cpu) : [off("cpu")]),
    ...(disk.enabled ? describeDisk(disk) : [off("disk")]),
    ...(io.enabled ? describeIo(io) : [off("io")]),
    ...(net.enabled ? describeNet(net) : [off("net")]),
    ...(vm.enabled ? describeVm(vm) : [off("vm")]),
    ...describeApplications(app),
  ];
}

function off(name: string): Line {
  return [name, "not guarded"];
}

function list(patterns: readonly string[], none: string): string {
  return patterns.length === 0 ? none : patterns.join(", ");
}

function describeCpu(cpu: CpuPolicy): Line[] {
  const average = `on average of ${cpu.window} looks, ${formatDuration(cpu.intervalMs)} apart`;
  const load = `${formatShare(cpu.busyShare)} of all processors in use ${average}, ${cpu.inARow} times in a row`;
  return [
    ["cpu", `${load}; over below ${formatShare(cpu.recoverShare)}: ${formatLadder(cpu.ladder)}`],
    ["fair use", cpu.fairUse === null ? "nobody is held to a share" : describeFairUse(cpu.fairUse)],
  ];
}

function describeFairUse(fair: FairUsePolicy): string {
  const above = `${fair.cgroups.join(", ")} above ${fair.cores} CPU on average of ${formatDuration(fair.windowMs)}`;
  const then = `warned of after ${formatDuration(fair.warnMs)}, given ${fair.quarantineCores} CPU ${formatDuration(fair.quarantineMs)} later`;
  return `${above}: ${then}; released for ${formatDuration(fair.measureMs)} to test it after ${formatDuration(fair.releaseMs)}, then after twice the time`;
}

function describeDisk(disk: DiskPolicy): Line[] {
  const often = `every ${formatDuration(disk.intervalMs)}, down to ${formatDuration(disk.intervalMinMs)} when full within ${formatDuration(disk.horizonMs)}`;
  const rooms = `${free(disk.space, "space")}, or ${free(disk.inodes, "inodes")}`;
  return [
    ["disk", `${often}; ${rooms}: ${formatLadder(disk.ladder)}`],
    ...disk.mounts.map((mount): Line => ["mount", describeMount(mount)]),
    ...disk.places.map((place): Line => ["place", describePlace(place)]),
    ...(disk.places.length === 0 ? [["place", "no file is removed"] as const] : []),
  ];
}

function free({ low, recover }: Room, what: "space" | "inodes"): string {
  return `less than ${formatRoom(low, what)} of ${what} free, over at ${formatRoom(recover, what)}`;
}

function describeMount({ path, enabled, space, inodes }: MountRule): string {
  if (!enabled) return `${path}: not guarded`;
  const rooms = [
    ...(space === null ? [] : [free(space, "space")]),
    ...(inodes === null ? [] : [free(inodes, "inodes")]),
  ];
  return `${path}: ${rooms.length === 0 ? "as all others" : rooms.join(", ")}`;
}

const METHODS = {
  auto: "deleted, or emptied in place while a process writes to it",
  delete: "deleted",
  truncate: "emptied in place",
} as const;

function describePlace({ files, ageMs, order, method }: PlaceRule): string {
  const age = ageMs === 0 ? "whatever its age" : `not written to for ${formatDuration(ageMs)}`;
  return `${files}: ${age}, ${order} first, ${METHODS[method]}`;
}

function describeIo(io: IoPolicy): Line[] {
  const when = `${list(io.devices, "no device")} busy for ${formatShare(io.busyShare)} of the time and tasks stalled for ${formatShare(io.stallShare)}, for ${formatDuration(io.forMs)}`;
  const least = `${formatBytes(io.bytesMinPerSecond)} and ${io.operationsMinPerSecond} operations a second`;
  return [
    ["io", `${when}: ${formatLadder(io.ladder)}`],
    [
      "",
      `may be throttled: ${list(io.cgroups, "nobody")}, never below ${least}; released for ${formatDuration(io.measureMs)} to test it after ${formatDuration(io.releaseMs)}, then after twice the time`,
    ],
  ];
}

const DUPLICATES = {
  log: "told of",
  down: "put down",
  retest: "put down, and tested again",
} as const;

function describeNet(net: NetPolicy): Line[] {
  const again =
    net.duplicate === "retest" ? ` after ${formatDuration(net.retestMs)}, then twice the time` : "";
  const never = `never ${list([...net.never, "what carries the default route or a session, unless named in full"], "")}`;
  const moving = net.movingMacs.length === 0 ? "" : `; ${net.movingMacs.join(", ")} may move`;
  return [
    [
      "net",
      `${list(net.interfaces, "no interface")}: whose MAC address another host has too is ${DUPLICATES[net.duplicate]}${again}; ${never}${moving}`,
    ],
    ["rates", net.rates === null ? "nobody is squeezed" : describeRates(net.rates)],
  ];
}

function describeRates(rates: RatesPolicy): string {
  const limit = `${formatBytes(rates.bytesPerSecond)} or ${rates.packetsPerSecond} packets a second`;
  const downAt = `${formatBytes(rates.downBytesPerSecond)} or ${rates.downPacketsPerSecond} packets a second`;
  const steps = rates.steps.map(({ bytesPerSecond, delayMs }) =>
    delayMs === 0
      ? formatBytes(bytesPerSecond)
      : `${formatBytes(bytesPerSecond)} +${formatDuration(delayMs)}`,
  );
  const squeeze = steps.length === 0 ? "told of" : `squeezed to ${steps.join(", ")}`;
  const pace = `a step every ${formatDuration(rates.stepMs)} at most, back after ${formatDuration(rates.relaxMs)} below half`;
  const last = rates.down ? `; put down at ${downAt}, or after the last step` : "";
  return `${rates.interfaces.join(", ")} above ${limit} on average of ${rates.window} looks: ${squeeze}; ${pace}${last}`;
}

function describeVm(vm: VmPolicy): Line[] {
  const does = [
    ...(vm.hibernateAt === null ? [] : [`at memory ${vm.hibernateAt} who uses most is hibernated`]),
    ...(vm.freezeOnCpu ? ["under load of processors who uses most is frozen"] : []),
    ...(vm.destroy ? ["when that does not help it is destroyed"] : []),
  ];
  const order = vm.order.length === 0 ? "" : `; first ${vm.order.join(", ")}`;
  const qemu =
    vm.qemuCgroups.length === 0 ? "" : `; QEMU that libvirt does not know of in ${vm.qemuCgroups.join(", ")}`;
  return [
    [
      "vm",
      `${vm.uri}, every ${formatDuration(vm.intervalMs)}: ${list(does, "nothing is done")}; goes on ${formatDuration(vm.resumeAfterMs)} after the pressure`,
    ],
    [
      "",
      `${vm.never.length === 0 ? "nobody is spared by name" : `never ${vm.never.join(", ")}`}${order}${qemu}; an action may take ${formatDuration(vm.deadlineMs)}`,
    ],
  ];
}
