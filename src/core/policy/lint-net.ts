/** What is odd, or would cut the host off, about [net]. */
import { nameMatcher } from "../net/names.ts";
import { formatBytes, formatDuration } from "../units.ts";
import type { HostFacts, Report } from "./finding.ts";
import type { KeyPath } from "./locate.ts";
import type { Policy } from "./policy.ts";
import type { RatesPolicy } from "./resources.ts";

export function lintNet({ net }: Policy, host: HostFacts | null, report: Report): void {
  lintNames(net.interfaces, ["net", "interfaces"], net.never, report);
  if (net.duplicate !== "log") lintRoutes(net.interfaces, ["net", "interfaces"], net.never, host, report);
  const { rates } = net;
  if (rates === null) return;
  lintNames(rates.interfaces, ["net", "rates", "interfaces"], net.never, report);
  lintRates(rates, report);
  lintSqueeze(rates, report);
  if (rates.down) lintRoutes(rates.interfaces, ["net", "rates", "interfaces"], net.never, host, report);
}

function lintNames(names: readonly string[], path: KeyPath, never: readonly string[], report: Report): void {
  names.forEach((name, index) => {
    if (/[*?]/.test(name) || !never.some((pattern) => nameMatcher([pattern])(name))) return;
    report("warning", [...path, index], {
      expected: "an interface that net.never does not match",
      found: JSON.stringify(name),
      advice: "never counts before all else: nothing is done to it; name it in one of the two",
    });
  });
}

/** Who names an interface in full may lose the way to the host; by a wildcard alone nobody does. */
function lintRoutes(
  names: readonly string[],
  path: KeyPath,
  never: readonly string[],
  host: HostFacts | null,
  report: Report,
): void {
  const routes = host?.resources?.defaultRouteInterfaces ?? [];
  for (const route of routes) {
    if (never.some((pattern) => nameMatcher([pattern])(route))) continue;
    const index = names.indexOf(route);
    if (index < 0) continue;
    report("warning", [...path, index], {
      expected: "an interface that the host can do without",
      found: `${route}, which carries the default route here, named in full: it may be put down`,
      advice: "the host could not be reached any more; leave it to a wildcard, or name it under never",
    });
  }
}

function lintRates(rates: RatesPolicy, report: Report): void {
  const pairs = [
    ["down_bytes", "bytes", rates.downBytesPerSecond, rates.bytesPerSecond, formatBytes],
    ["down_packets", "packets", rates.downPacketsPerSecond, rates.packetsPerSecond, String],
  ] as const;
  for (const [down, limit, downRate, limitRate, format] of pairs) {
    if (downRate > limitRate) continue;
    report("error", ["net", "rates", down], {
      expected: `more than net.rates.${limit} (${format(limitRate)} a second)`,
      found: `${format(downRate)} a second`,
      advice: "an interface would be put down before it is ever squeezed; raise it, or lower the other",
    });
  }
  if (rates.relaxMs >= rates.stepMs) return;
  report("warning", ["net", "rates", "relax"], {
    expected: `at least net.rates.step (${formatDuration(rates.stepMs)})`,
    found: formatDuration(rates.relaxMs),
    advice: "a step would be taken back sooner than its effect is seen",
  });
}

function lintSqueeze(rates: RatesPolicy, report: Report): void {
  const [first] = rates.steps;
  if (first === undefined && !rates.down) {
    report("warning", ["net", "rates", "steps"], {
      expected: "at least one step, or down = true",
      found: "none",
      advice: "nothing is ever done; say rates = false if that is meant",
    });
  }
  if (first !== undefined && first.bytesPerSecond >= rates.bytesPerSecond) {
    report("warning", ["net", "rates", "steps", 0, "rate"], {
      expected: `less than net.rates.bytes (${formatBytes(rates.bytesPerSecond)} a second)`,
      found: `${formatBytes(first.bytesPerSecond)} a second`,
      advice: "the first step would squeeze nothing; remove it, or lower its rate",
    });
  }
  rates.steps.forEach((step, index) => {
    const before = rates.steps[index - 1];
    if (before === undefined || step.bytesPerSecond < before.bytesPerSecond) return;
    report("warning", ["net", "rates", "steps", index, "rate"], {
      expected: `less than the step before (${formatBytes(before.bytesPerSecond)} a second)`,
      found: `${formatBytes(step.bytesPerSecond)} a second`,
      advice: "each further step is to squeeze more; put them in order",
    });
  });
}
