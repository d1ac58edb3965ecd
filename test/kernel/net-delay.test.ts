/** A squeeze that delays too: netem inside of the token bucket. Kernels without that module have none to be tried. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test, type TestContext } from "vitest";
import { arp } from "../support/frames.ts";
import { GuardProcess, type Line } from "../support/guard.ts";
import { need, root } from "../support/needs.ts";
import {
  compiler,
  frameSender,
  hexOf,
  Namespace,
  networkEmulator,
  networkNamespaces,
  NOTHING_ELSE,
  trafficControl,
} from "../support/network.ts";
import { PATIENCE, waitFor } from "../support/wait.ts";

const DELAY_MS = 400;
const RATES = `
[net]
enabled = true
[net.rates]
interfaces = ["eth0"]
interval = "100ms"
window = 10
bytes = "100kB"
packets = 1000000
down_bytes = "1GB"
down_packets = 2000000
step = "3s"
relax = "20s"
down = false
steps = [{ rate = "50kB", delay = "${DELAY_MS}ms" }, { rate = "25kB" }]
`;
/** Of no protocol that anybody listens to. */
const FRAME = new Uint8Array(1000);
FRAME.set(arp({ source: "02:00:00:00:00:0a", ip: "10.9.0.1" }));
FRAME.set([0x88, 0xb5], 12);
const FRAMES_PER_SECOND = 400;

/** Says how many ms it takes to be refused by a port where nobody listens: the best of a few, the first learns by ARP. */
const ROUND_TRIPS = `
const net = require("node:net");
let best = Infinity;
const once = (left) => {
  if (left === 0) return console.log(best);
  const began = performance.now();
  net.connect(9, "10.9.0.2").on("error", () => {
    best = Math.min(best, performance.now() - began);
    once(left - 1);
  });
};
once(3);
`;

function traffic(context: TestContext, near: Namespace): ChildProcess {
  const args = ["send", "eth0", "1000000", String(FRAMES_PER_SECOND), hexOf(FRAME)];
  const [command, ...more] = [...near.under, frameSender(), ...args] as [string, ...string[]];
  const child = spawn(command, more, { stdio: "ignore" });
  context.onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}

test("a squeeze delays what it lets through, and the next step that asks for no delay takes it away", {
  timeout: 60_000 * PATIENCE,
}, async (context) => {
  need(context, root, networkNamespaces, trafficControl, networkEmulator, compiler);
  const [near, far] = [Namespace.make(context, "near"), Namespace.make(context, "far")];
  near.pair("eth0", far, "eth0");
  near.ip("address", "add", "10.9.0.1/24", "dev", "eth0");
  far.ip("address", "add", "10.9.0.2/24", "dev", "eth0");
  const roundTripMs = (): number => Number(near.run(process.execPath, "-e", ROUND_TRIPS));
  const guard = await GuardProcess.start(context, {
    scope: "host",
    policy: `${NOTHING_ELSE}${RATES}`,
    under: near.under,
  });
  const squeezeTo = (bytesPerSecond: number): Promise<Line> =>
    waitFor(
      `a squeeze to ${bytesPerSecond} bytes a second`,
      () =>
        guard
          .audit()
          .find(
            (line) => line["verb"] === "squeeze" && line["after"]["limitBytesPerSecond"] === bytesPerSecond,
          ),
      30_000,
    );
  expect(roundTripMs()).toBeLessThan(DELAY_MS);
  const first = traffic(context, near);
  const slow = await squeezeTo(50_000);
  expect(slow).toMatchObject({ outcome: "done", before: { delayMs: null }, after: { delayMs: DELAY_MS } });
  first.kill("SIGKILL");
  await once(first, "exit");
  expect(roundTripMs()).toBeGreaterThanOrEqual(DELAY_MS);
  traffic(context, near);
  expect(await squeezeTo(25_000)).toMatchObject({ outcome: "done", after: { delayMs: 0 } });
  expect(near.tc("qdisc", "show", "dev", "eth0")).not.toContain("netem");
  await guard.stop();
  expect(near.tc("qdisc", "show", "dev", "eth0", "root")).toMatch(/noqueue 0:/);
});
