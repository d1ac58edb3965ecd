import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { describeSwitches } from "../../core/policy/switches.ts";
import { closeDescriptor } from "../../native/descriptor.ts";
import { openBeneath } from "../../native/files.ts";
import { findIoHierarchy } from "../../workers/common/cgroup-io.ts";
import { findCpuHierarchy } from "../../workers/common/cpu-cgroup.ts";
import { readSwitches } from "../config/kernel-switches.ts";
import { type Check, codeOf, good, isRefusal, limited, missing, type Subject } from "./check.ts";

/** A program that has not answered by then is taken for hung. */
const ANSWER_MS = 5000;

/** What guarding processors, disks, I/O and virtual machines needs: tried where that changes nothing. */
export function resourceChecks({ roots, vmUri }: Subject): Check[] {
  return [
    pressureCheck(roots.proc),
    quotaCheck(roots.cgroup),
    throttleCheck(roots.cgroup),
    freezerCheck(roots.cgroup),
    beneathCheck(),
    virshCheck(vmUri ?? "qemu:///system"),
  ];
}

/** What a person at the boot prompt said. */
export function commandLineCheck({ roots }: Subject): Check {
  const name = "kernel command line";
  const switches = readSwitches(roots.proc, process.env);
  const said = describeSwitches(switches);
  const { unknown } = switches;
  if (said === null && unknown.length === 0)
    return good(name, "no switch", "all that the policy says counts");
  if (said === null) {
    const means = "what was meant to be off is guarded";
    return limited(name, `${unknown.join(" ")}: unknown`, means, "docs/operating.md lists the switches");
  }
  const found = [switches.words.join(" "), ...unknown.map((word) => `${word} is unknown`)].join("; ");
  return limited(name, found, said, "boot without it to guard");
}

function pressureCheck(procRoot: string): Check {
  const name = "PSI of CPU and I/O";
  const lacking = ["cpu", "io"].filter((each) => !fs.existsSync(path.join(procRoot, "pressure", each)));
  if (lacking.length === 0) {
    return good(name, "/proc/pressure/cpu, /proc/pressure/io", "it is seen when tasks wait");
  }
  const found = `no ${lacking.map((each) => `/proc/pressure/${each}`).join(", ")}`;
  return missing(
    name,
    found,
    "no device is taken for saturated, and nobody is throttled",
    "boot with psi=1 (CONFIG_PSI)",
  );
}

const ADVICE_CONTROLLER = "enable it in cgroup.subtree_control (cgroup v2), or mount it (v1)";

/** Limits of cgroups: whether the file is there, and may be written. Opening it changes nothing. */
function limitCheck(name: string, root: string | null, file: string, gains: string, without: string): Check {
  const directory = root === null ? null : cgroupWith(root, file);
  if (directory === null) return missing(name, `no cgroup has ${file}`, without, ADVICE_CONTROLLER);
  try {
    fs.closeSync(fs.openSync(path.join(directory, file), fs.constants.O_WRONLY));
    return good(name, `${file} may be written`, gains);
  } catch (error) {
    const code = codeOf(error);
    const advice = isRefusal(code)
      ? "run as root, or own the cgroups (cgroups(7), delegation)"
      : "mount the cgroup hierarchy writable";
    return limited(name, `${file} may not be written: ${code}`, without, advice);
  }
}

/** The root has files of limits on v1 alone; on v2 any cgroup right below it will do. */
function cgroupWith(root: string, file: string): string | null {
  if (fs.existsSync(path.join(root, file))) return root;
  try {
    const entries = fs.readdirSync(root, { withFileTypes: true });
    const below = entries
      .filter((entry) => entry.isDirectory())
      .map((entry) => path.join(root, entry.name))
      .find((directory) => fs.existsSync(path.join(directory, file)));
    return below ?? null;
  } catch {
    return null;
  }
}

function quotaCheck(cgroupRoot: string): Check {
  const hierarchy = findCpuHierarchy(cgroupRoot);
  return limitCheck(
    "CPU quarantine",
    hierarchy?.limits ?? null,
    hierarchy?.version === 1 ? "cpu.cfs_quota_us" : "cpu.max",
    "who uses too much of the processors can be given less",
    "nobody is quarantined: of the gentler steps renice and freeze remain, and no fair use",
  );
}

function throttleCheck(cgroupRoot: string): Check {
  const hierarchy = findIoHierarchy(cgroupRoot);
  return limitCheck(
    "I/O throttling",
    hierarchy?.root ?? null,
    hierarchy?.version === 1 ? "blkio.throttle.write_bps_device" : "io.max",
    "who saturates a device can be throttled",
    "a saturated device is told of, and nobody is throttled",
  );
}

/** v1: the freezer hierarchy, whose root cannot be frozen; v2: every cgroup but the root (Linux 5.2). */
function freezerCheck(cgroupRoot: string): Check {
  const name = "cgroup freezer";
  const v1 = path.join(cgroupRoot, "freezer", "cgroup.procs");
  const v2 = [cgroupRoot, path.join(cgroupRoot, "unified")].find(
    (root) => cgroupWith(root, "cgroup.freeze") !== null,
  );
  const means = "QEMU that libvirt does not know of can be frozen";
  if (fs.existsSync(v1)) return good(name, "cgroup v1, freezer", means);
  if (v2 !== undefined) return good(name, "cgroup v2, cgroup.freeze", means);
  const without = "QEMU that libvirt does not know of cannot be frozen";
  return missing(
    name,
    "neither freezer nor cgroup.freeze",
    without,
    "mount the freezer, or boot Linux 5.2 or later",
  );
}

/** openat2(2), since Linux 5.6: opens what lies below a directory and nothing else, whatever happens meanwhile. */
function beneathCheck(): Check {
  const directory = fs.openSync("/", fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
  const opened = openBeneath(directory, ".", fs.constants.O_RDONLY | fs.constants.O_DIRECTORY, false);
  fs.closeSync(directory);
  if (typeof opened === "number") {
    closeDescriptor(opened);
    return good("openat2", "works", "no symbolic link leads out of a listed place");
  }
  const means = "no file is ever removed: it would not be safe";
  return missing("openat2", opened.code, means, "boot Linux 5.6 or later");
}

/** Asks for the list of machines, as one who may only look. */
function virshCheck(uri: string): Check {
  const name = "virsh";
  const means = "virtual machines of libvirt are neither hibernated nor frozen";
  const asked = spawnSync("virsh", ["--readonly", "--quiet", "--connect", uri, "list", "--name"], {
    encoding: "utf8",
    timeout: ANSWER_MS,
    killSignal: "SIGKILL",
    env: { ...process.env, LC_ALL: "C" },
  });
  const code = asked.error === undefined ? null : codeOf(asked.error);
  if (code === "ENOENT")
    return missing(name, "not there", means, "install libvirt-clients, if there are any");
  if (code !== null) return limited(name, `${uri}: ${code}`, means, "see whether libvirtd hangs");
  if (asked.status === 0) {
    const count = asked.stdout.split("\n").filter((line) => line.trim() !== "").length;
    return good(name, `${uri} answers, ${count} running`, "virtual machines can be hibernated and frozen");
  }
  const why = asked.stderr.trim().split("\n").at(-1) ?? "";
  return limited(
    name,
    `${uri}: ${why}`,
    means,
    "start libvirtd, or name another uri under [vm], if there are any",
  );
}
