import type { SentSignal } from "./scenario.ts";

/** SI_KERNEL of sigaction(2): the kernel sent it on its own account. */
const SI_KERNEL = 128;

// "<name>-<pid> [cpu] flags seconds: signal_generate: sig=.. errno=.. code=.. comm=<name> pid=.. grp=.. res=.."
// (Documentation/trace/ftrace.rst, include/trace/events/signal.h). Names may hold blanks and brackets.
const EVENT =
  /^\s*(.*)-(\d+)\s+\[\d+\]\s+\S+\s+(\d+\.\d+): signal_generate: sig=(\d+) errno=-?\d+ code=(-?\d+) comm=(.*) pid=(\d+) grp=\d+ res=\d+$/;

/** The signals of a trace file of tracefs, in the order of time. */
export function parseSignals(trace: string): SentSignal[] {
  const signals: SentSignal[] = [];
  for (const line of trace.split("\n")) {
    const match = EVENT.exec(line);
    if (match === null) continue;
    const [, fromName = "", fromPid, seconds, signal, code, toName = "", toPid] = match;
    signals.push({
      atMs: Number(seconds) * 1000,
      signal: Number(signal),
      byKernel: Number(code) === SI_KERNEL,
      fromName,
      fromPid: Number(fromPid),
      toName,
      toPid: Number(toPid),
    });
  }
  return signals.toSorted((a, b) => a.atMs - b.atMs);
}
