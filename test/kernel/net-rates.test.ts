import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test, type TestContext, vi } from "vitest";
import { arp } from "../support/frames.ts";
import { GuardProcess, type Line } from "../support/guard.ts";
import { need, root } from "../support/needs.ts";
import {
  arping,
  compiler,
  frameSender,
  hexOf,
  Namespace,
  networkEmulation,
  networkNamespaces,
  NOTHING_ELSE,
  trafficControl,
} from "../support/network.ts";
import { waitFor } from "../support/wait.ts";

vi.setConfig({ testTimeout: 120_000 });

/** What is sent unhindered, in bytes a second: frames of 1000 bytes, 2000 a second. */
const DEMAND = 2_000_000;
const FRAME = new Uint8Array(1000);
FRAME.set(arp({ source: "02:00:00:00:00:0a", ip: "10.9.0.1" }));
// Of no protocol that anybody listens to.
FRAME.set([0x88, 0xb5], 12);

const RATES = `
[net]
enabled = true
[net.rates]
interfaces = ["eth0"]
interval = "100ms"
window = 10
bytes = "1MB"
packets = 1000000
down_bytes = "1GB"
down_packets = 2000000
step = "1s"
relax = "2s"
down = false
steps = [{ rate = "500kB" }, { rate = "250kB" }]
`;

interface Pair {
  readonly near: Namespace;
  readonly far: Namespace;
}

function pair(context: TestContext): Pair {
  need(context, root, networkNamespaces, trafficControl, compiler);
  const [near, far] = [Namespace.make(context, "near"), Namespace.make(context, "far")];
  near.pair("eth0", far, "eth0");
  return { near, far };
}

function guardIn(
  context: TestContext,
  { near }: Pair,
  policy: string,
  args: string[] = [],
): Promise<GuardProcess> {
  return GuardProcess.start(context, {
    scope: "host",
    policy: `${NOTHING_ELSE}${policy}`,
    under: near.under,
    args,
  });
}

function traffic(context: TestContext, { near }: Pair, demand = DEMAND): ChildProcess {
  const hex = hexOf(FRAME);
  const command = [
    ...near.under,
    frameSender(),
    "send",
    "eth0",
    "1000000",
    String(demand / FRAME.length),
    hex,
  ];
  const child = spawn(command[0] as string, command.slice(1), { stdio: "ignore" });
  context.onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}

/** Bytes a second that arrive at the other end, over about so long. */
async function arriving({ far }: Pair, seconds: number): Promise<number> {
  const [beganMs, began] = [performance.now(), far.counters("eth0").receivedBytes];
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const bytes = far.counters("eth0").receivedBytes - began;
  return bytes / ((performance.now() - beganMs) / 1000);
}

const did = (guard: GuardProcess, verb: string, outcome: string): Line[] =>
  guard.audit().filter((line) => line["verb"] === verb && line["outcome"] === outcome);

const rootOf = ({ near }: Pair): string => near.tc("qdisc", "show", "dev", "eth0", "root");

test("what sends too much is squeezed to the rate, and let go again when it calms down", async (context) => {
  const both = pair(context);
  const guard = await guardIn(context, both, RATES);
  const child = traffic(context, both);
  await waitFor("traffic that arrives", async () => (await arriving(both, 0.5)) > DEMAND * 0.75, 20_000);
  const [line] = await waitFor("a squeeze", () => {
    const lines = did(guard, "squeeze", "done");
    return lines.length > 0 && lines;
  });
  expect(line).toMatchObject({ subject: "eth0", before: { limitBytesPerSecond: null } });
  expect(line?.["after"]["limitBytesPerSecond"]).toBe(500_000);
  // While the step holds, what arrives is its rate: neither more nor, as a bucket too small would let through, less.
  await waitFor(
    "what arrives to be the rate of the step",
    async () => {
      const rate = await arriving(both, 1);
      return rate > 500_000 * 0.8 && rate < 500_000 * 1.2;
    },
    20_000,
  );
  child.kill("SIGKILL");
  await once(child, "exit");
  await waitFor("the release", () => did(guard, "release", "released").length > 0, 30_000);
  expect(rootOf(both)).toMatch(/noqueue 0:/);
  const levels = guard.audit().filter((each) => each["event"] === "level" && each["resource"] === "net");
  expect(levels[0]).toMatchObject({ subject: "eth0", change: "began" });
});

test("what is squeezed is delayed too where the policy says so, and not any longer than that", async (context) => {
  need(context, networkEmulation, arping);
  const both = pair(context);
  both.near.ip("addr", "add", "10.9.0.1/24", "dev", "eth0");
  both.far.ip("addr", "add", "10.9.0.2/24", "dev", "eth0");
  const roundTripMs = (): number => {
    const said = both.near.run("arping", "-c", "3", "-i", "eth0", "10.9.0.2");
    const times = [...said.matchAll(/time=([\d.]+) (usec|msec)/g)];
    return Math.min(...times.map(([, time, unit]) => Number(time) / (unit === "usec" ? 1000 : 1)));
  };
  // Little enough that a bucket of the step's rate holds nothing up by itself.
  const policy = RATES.replace(/bytes = "1MB"/, 'bytes = "100kB"').replace(
    /steps = .*/,
    'steps = [{ rate = "400kB", delay = "200ms" }]',
  );
  const before = roundTripMs();
  const guard = await guardIn(context, both, policy);
  const child = traffic(context, both, 200_000);
  const [line] = await waitFor(
    "a squeeze",
    () => {
      const lines = did(guard, "squeeze", "done");
      return lines.length > 0 && lines;
    },
    60_000,
  );
  expect(line).toMatchObject({ subject: "eth0", after: { limitBytesPerSecond: 400_000, delayMs: 200 } });
  expect(both.near.tc("qdisc", "show", "dev", "eth0")).toMatch(/netem 7016: parent 7015:1 .*delay 200ms/);
  const during = roundTripMs();
  expect(during - before).toBeGreaterThan(190);
  expect(during - before).toBeLessThan(400);
  child.kill("SIGKILL");
  await once(child, "exit");
  await waitFor("the release", () => did(guard, "release", "released").length > 0, 60_000);
  expect(roundTripMs()).toBeLessThan(100);
});

test("what is squeezed is let go when the guard stops, and when it is killed", async (context) => {
  const both = pair(context);
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    const guard = await guardIn(context, both, RATES);
    const child = traffic(context, both);
    await waitFor("a squeeze", () => did(guard, "squeeze", "done").length > 0, 30_000);
    expect(rootOf(both)).toContain("tbf 7015:");
    await guard.stop(signal);
    await waitFor(`nothing of ours after ${signal}`, () => !rootOf(both).includes("7015:"), 20_000);
    child.kill("SIGKILL");
    await once(child, "exit");
  }
});

test("a root qdisc of somebody else is left alone, and that is said; a dry run shapes nothing", async (context) => {
  const both = pair(context);
  both.near.tc(
    "qdisc",
    "add",
    "dev",
    "eth0",
    "root",
    "handle",
    "42:",
    "tbf",
    "rate",
    "1gbit",
    "burst",
    "100kb",
    "latency",
    "50ms",
  );
  const guard = await guardIn(context, both, RATES);
  traffic(context, both);
  const [line] = await waitFor(
    "a refusal",
    () => {
      const lines = did(guard, "squeeze", "failed");
      return lines.length > 0 && lines;
    },
    30_000,
  );
  expect(JSON.stringify(line?.["steps"])).toContain("tbf 42:");
  expect(rootOf(both)).toContain("tbf 42:");
  await guard.stop();
  both.near.tc("qdisc", "del", "dev", "eth0", "root");
  const dry = await guardIn(context, both, RATES, ["--dry-run"]);
  await waitFor("what would be done", () => did(dry, "squeeze", "dry-run").length > 0, 30_000);
  expect(rootOf(both)).toMatch(/noqueue 0:/);
});

test("what goes on after the last step is put down, and up again", async (context) => {
  const both = pair(context);
  const policy = RATES.replace("down = false", "down = true").replace(
    'down_bytes = "1GB"',
    'down_bytes = "1.5MB"',
  );
  const guard = await guardIn(context, both, policy);
  traffic(context, both);
  await waitFor("it put down", () => did(guard, "down", "done").length > 0, 30_000);
  await waitFor("it up again", () => did(guard, "up", "released").length > 0, 30_000);
  await guard.stop();
  expect(both.near.isUp("eth0")).toBe(true);
});
