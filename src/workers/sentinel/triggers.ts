import fs from "node:fs";
import path from "node:path";
import { closeDescriptor } from "../../native/descriptor.ts";
import { createEvent } from "../../native/event.ts";
import { PollEvent } from "../../native/poll.ts";

/** A notice of the kernel's that the sentinel waits for. */
export interface Trigger {
  readonly descriptor: number;
  readonly events: number;
  close(): void;
}

/**
 * Stall times that wake the sentinel: so much stall within so long, in microseconds. The first needs privilege; windows
 * that are whole multiples of two seconds are open to everybody (Documentation/accounting/psi.rst).
 */
const PSI_TRIGGERS = ["some 70000 1000000", "some 150000 2000000"];

/**
 * Asks the kernel to say when memory stalls: a PSI trigger on a pressure file. It makes nothing happen but a closer look.
 * @returns null where the kernel has no PSI or does not let us
 */
export function stallTrigger(pressureFile: string): Trigger | null {
  for (const trigger of PSI_TRIGGERS) {
    let descriptor: number;
    try {
      descriptor = fs.openSync(pressureFile, fs.constants.O_RDWR | fs.constants.O_NONBLOCK);
    } catch {
      return null;
    }
    try {
      fs.writeSync(descriptor, `${trigger}\0`);
      return { descriptor, events: PollEvent.priority, close: () => fs.closeSync(descriptor) };
    } catch {
      fs.closeSync(descriptor);
    }
  }
  return null;
}

/**
 * Asks the kernel to say when a cgroup v1's usage crosses `thresholdBytes`, in either direction: cgroup.event_control
 * on memory.usage_in_bytes (Documentation/admin-guide/cgroup-v1/memory.rst, "Memory thresholds").
 * @returns null when the cgroup is gone or the kernel does not let us
 */
export function usageTrigger(directory: string, thresholdBytes: number): Trigger | null {
  let usage: number;
  try {
    usage = fs.openSync(path.join(directory, "memory.usage_in_bytes"), fs.constants.O_RDONLY);
  } catch {
    return null;
  }
  const event = createEvent();
  try {
    const registration = `${event} ${usage} ${Math.floor(thresholdBytes)}`;
    fs.writeFileSync(path.join(directory, "cgroup.event_control"), registration, { flag: "r+" });
    return { descriptor: event, events: PollEvent.in, close: () => closeDescriptor(event) };
  } catch {
    closeDescriptor(event);
    return null;
  } finally {
    fs.closeSync(usage);
  }
}
