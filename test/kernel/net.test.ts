import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { describe, expect, test, type TestContext, vi } from "vitest";
import { arp } from "../support/frames.ts";
import { GuardProcess, type Line } from "../support/guard.ts";
import { need, root } from "../support/needs.ts";
import {
  arping,
  compiler,
  frameSender,
  hexOf,
  Namespace,
  networkNamespaces,
  NOTHING_ELSE,
} from "../support/network.ts";
import { waitFor } from "../support/wait.ts";

/** A guard starts, hosts announce, deadlines pass: on a busy machine that takes its time. */
vi.setConfig({ testTimeout: 120_000 });

const SHARED = "02:00:00:00:00:0a";
const OTHER = "02:00:00:00:00:0c";
const VRRP = "00:00:5e:00:01:33";

/** A guard inside a namespace, that guards nothing but its interfaces. */
async function guardIn(context: TestContext, namespace: Namespace, net: string): Promise<GuardProcess> {
  const guard = await GuardProcess.start(context, {
    scope: "host",
    policy: `${NOTHING_ELSE}[net]\nenabled = true\n${net}\n`,
    under: namespace.under,
  });
  return guard;
}

const actions = (guard: GuardProcess): Line[] => guard.audit().filter((line) => line["event"] === "action");

async function action(guard: GuardProcess, what: string, wanted: Line, limitMs = 10_000): Promise<Line> {
  return guard.recorded(
    what,
    (line) =>
      line["event"] === "action" && Object.entries(wanted).every(([key, value]) => line[key] === value),
    limitMs,
  );
}

interface Lan {
  readonly hub: Namespace;
  readonly a: Namespace;
  readonly b: Namespace;
  readonly c: Namespace;
}

/** A bridge with three hosts, of which a and b have one address. */
function lan(context: TestContext): Lan {
  need(context, root, networkNamespaces, arping);
  const [hub, a, b, c] = ["hub", "a", "b", "c"].map((name) => Namespace.make(context, name)) as [
    Namespace,
    Namespace,
    Namespace,
    Namespace,
  ];
  hub.ip("link", "add", "br0", "type", "bridge");
  hub.ip("link", "set", "br0", "up");
  for (const [i, [host, address]] of [
    [a, SHARED] as const,
    [b, SHARED] as const,
    [c, OTHER] as const,
  ].entries()) {
    host.pair("eth0", hub, `p${i}`, address);
    hub.ip("link", "set", `p${i}`, "master", "br0");
    host.ip("addr", "add", `10.9.0.${i + 1}/24`, "dev", "eth0");
  }
  return { hub, a, b, c };
}

/** Has what the kernel forgets of an interface that is put down. @returns what is known of its routes and addresses now */
function settled(host: Namespace): () => string[] {
  host.ip("addr", "add", "2001:db8:9::1/64", "dev", "eth0", "nodad");
  host.ip("route", "add", "10.20.0.0/16", "via", "10.9.0.3");
  host.ip("route", "add", "10.30.0.0/16", "via", "10.9.0.3", "table", "100", "metric", "7", "mtu", "1400");
  // The gateway is reached by the route that comes before.
  host.ip("route", "add", "10.40.0.9", "dev", "eth0");
  host.ip("route", "add", "10.50.0.0/16", "via", "10.40.0.9");
  host.ip("-6", "route", "add", "2001:db8:a::/48", "via", "2001:db8:9::2", "dev", "eth0", "metric", "9");
  return () =>
    [
      host.ip("route", "show", "table", "all"),
      host.ip("-6", "route", "show", "table", "all"),
      host.ip("-o", "-6", "addr", "show", "dev", "eth0", "scope", "global"),
    ].flatMap((text) =>
      text
        .split("\n")
        .map((line) =>
          line
            .replace(/ (tentative|nodad|linkdown)\b/g, "")
            .replace(/\s+/g, " ")
            .trim(),
        )
        .filter((line) => line !== "" && !/^(local|broadcast|multicast|anycast|fe80|unreachable)/.test(line))
        .sort(),
    );
}

/** Until the guard has surely heard what was said before: a message that it must tell of. */
async function untilHeard(guard: GuardProcess, by: Namespace): Promise<void> {
  const [one, two] = ["02:00:00:00:77:01", "02:00:00:00:77:02"];
  const ip = "10.9.0.77";
  for (const source of [one, two, one, two])
    by.run(frameSender(), "send", "eth0", "1", "1000", hexOf(arp({ source, ip })));
  await action(guard, "the conflict that comes last", { verb: "warn", subject: "eth0" });
}

describe("two hosts with one address on a bridge", () => {
  test("the local one goes down, the others stay; nothing was done before", async (context) => {
    const { a, b, c, hub } = lan(context);
    const guard = await guardIn(context, a, 'duplicate = "down"');
    // Own announcements, which the bridge gives to the others, and those of somebody else.
    a.announce("eth0", "10.9.0.1", 2);
    c.announce("eth0", "10.9.0.3", 2);
    expect(actions(guard)).toEqual([]);
    b.announce("eth0", "10.9.0.2");
    const line = await action(guard, "the interface put down", { verb: "down", outcome: "done" });
    expect(line).toMatchObject({ resource: "net", subject: "eth0", before: { up: 1 }, after: { up: 0 } });
    expect(line["why"]).toContain(SHARED);
    expect(a.isUp("eth0")).toBe(false);
    for (const other of [b, c]) expect(other.isUp("eth0")).toBe(true);
    for (const port of ["br0", "p0", "p1", "p2"]) expect(hub.isUp(port)).toBe(true);
    expect(b.run("arping", "-c", "1", "-i", "eth0", "10.9.0.3")).toContain("1 packets received");
    await guard.stop();
    expect(a.isUp("eth0")).toBe(false);
  });

  test("VRRP that fails over, and an address that another host takes over, put nothing down", async (context) => {
    need(context, compiler);
    const { a, c } = lan(context);
    // keepalived with use_vmac makes such an interface on both hosts.
    a.ip("link", "add", "vrrp51", "link", "eth0", "address", VRRP, "type", "macvlan", "mode", "private");
    a.ip("link", "set", "vrrp51", "up");
    const guard = await guardIn(context, a, 'duplicate = "down"');
    c.run(frameSender(), "send", "eth0", "20", "200", hexOf(arp({ source: VRRP, ip: "10.9.0.50" })));
    a.run(frameSender(), "send", "vrrp51", "20", "200", hexOf(arp({ source: VRRP, ip: "10.9.0.50" })));
    c.run(frameSender(), "send", "eth0", "20", "200", hexOf(arp({ source: VRRP, ip: "10.9.0.50" })));
    c.announce("eth0", "10.9.0.60", 3);
    await untilHeard(guard, c);
    expect(actions(guard).map((line) => line["verb"])).toEqual(["warn"]);
    expect(a.isUp("eth0") && a.isUp("vrrp51")).toBe(true);
  });

  test("by policy it is only told of; by a dry run, what would be done", async (context) => {
    const { a, b } = lan(context);
    const guard = await guardIn(context, a, 'duplicate = "log"');
    b.announce("eth0", "10.9.0.2");
    await action(guard, "the duplicate", { verb: "log", outcome: "noted" });
    expect(a.isUp("eth0")).toBe(true);
    await guard.stop();
    const dry = await GuardProcess.start(context, {
      scope: "host",
      policy: `${NOTHING_ELSE}[net]\nenabled = true\nduplicate = "down"\n`,
      under: a.under,
      args: ["--dry-run"],
    });
    b.announce("eth0", "10.9.0.2");
    await action(dry, "the duplicate", { verb: "down", outcome: "dry-run", dryRun: true });
    expect(a.isUp("eth0")).toBe(true);
  });

  test("the way out of the machine is spared, unless it is named", async (context) => {
    const { a, b } = lan(context);
    a.ip("route", "add", "default", "via", "10.9.0.3");
    const guard = await guardIn(context, a, 'duplicate = "down"');
    b.announce("eth0", "10.9.0.2");
    const line = await action(guard, "the interface spared", { verb: "down", outcome: "refused" });
    expect(JSON.stringify(line["steps"])).toContain("default route");
    expect(a.isUp("eth0")).toBe(true);
    await guard.stop();
    const named = await guardIn(context, a, 'duplicate = "down"\ninterfaces = ["eth0"]');
    b.announce("eth0", "10.9.0.2");
    await action(named, "the interface put down", { verb: "down", outcome: "done" });
    expect(a.isUp("eth0")).toBe(false);
  });

  test("it is tried again, for longer each time, and stays up when the other one is gone", async (context) => {
    const { a, b } = lan(context);
    const known = settled(a);
    const before = known();
    expect(before.length).toBeGreaterThan(7);
    const guard = await guardIn(context, a, 'duplicate = "retest"\nretest = "1s"');
    b.announce("eth0", "10.9.0.2");
    const first = await action(guard, "the interface put down", { verb: "down for a test", outcome: "done" });
    expect(a.isUp("eth0")).toBe(false);
    await action(guard, "the first test", { verb: "retest", outcome: "done" });
    expect(a.isUp("eth0")).toBe(true);
    await waitFor("its routes and addresses", () => isDeepStrictEqual(known(), before)).catch(() =>
      expect(known()).toEqual(before),
    );
    b.announce("eth0", "10.9.0.2");
    const again = (): Line[] => actions(guard).filter((line) => line["verb"] === "down for a test");
    await waitFor("the interface put down again", () => again().length === 2);
    expect(Date.parse(again()[1]?.["time"] as string)).toBeGreaterThan(Date.parse(first["time"] as string));
    b.ip("link", "set", "eth0", "down");
    const tests = (): Line[] => actions(guard).filter((line) => line["verb"] === "retest");
    await waitFor("the second test", () => tests().length === 2);
    const waited = Date.parse(tests()[1]?.["time"] as string) - Date.parse(again()[1]?.["time"] as string);
    expect(waited).toBeGreaterThanOrEqual(1990);
    await action(guard, "the interface released", { verb: "up", outcome: "released" }, 15_000);
    expect(a.isUp("eth0")).toBe(true);
    expect(known()).toEqual(before);
    expect(fs.readdirSync(`${guard.home}/run`).filter((name) => name.startsWith("link-"))).toEqual([]);
    const levels = guard.audit().filter((line) => line["event"] === "level");
    expect(levels.map((line) => line["change"])).toEqual(["began", "ended"]);
  });

  test("one that is down for a test is up again when the guard stops, and when it is killed, routes and all", async (context) => {
    const { a, b } = lan(context);
    const known = settled(a);
    const before = known();
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      const guard = await guardIn(context, a, 'duplicate = "retest"\nretest = "1h"');
      b.announce("eth0", "10.9.0.2");
      await action(guard, "the interface put down", { verb: "down for a test", outcome: "done" });
      expect(a.isUp("eth0")).toBe(false);
      await guard.stop(signal);
      await waitFor(`the interface up after ${signal}`, () => a.isUp("eth0"));
      await waitFor("its routes and addresses", () => isDeepStrictEqual(known(), before)).catch(() =>
        expect(known(), signal).toEqual(before),
      );
    }
  });
});

describe("a machine with guests", () => {
  test("two guests with one address: the later one's port goes, the earlier one and the bridge stay", async (context) => {
    need(context, compiler);
    const { hub, a, b } = lan(context);
    const guard = await guardIn(context, hub, 'duplicate = "down"');
    for (let i = 0; i < 4 && !actions(guard).some((line) => line["outcome"] === "done"); i++) {
      a.announce("eth0", "10.9.0.1");
      b.announce("eth0", "10.9.0.2");
    }
    const line = await action(guard, "a port put down", { verb: "down", outcome: "done" });
    expect(line["subject"]).toBe("p1");
    expect(["br0", "p0", "p2"].map((port) => hub.isUp(port))).toEqual([true, true, true]);
    expect(hub.isUp("p1")).toBe(false);
  });
});

describe("interfaces that come and go", () => {
  test("are listened to under their new names, and from when they are there", async (context) => {
    const { a, b, hub } = lan(context);
    const guard = await guardIn(context, a, 'duplicate = "down"\ninterfaces = ["lan*"]');
    b.announce("eth0", "10.9.0.2");
    a.ip("link", "set", "eth0", "down");
    a.ip("link", "set", "eth0", "name", "lan0");
    a.ip("link", "set", "lan0", "up");
    await waitFor("the renamed interface put down", () => {
      b.announce("eth0", "10.9.0.2");
      return actions(guard).some((line) => line["subject"] === "lan0" && line["outcome"] === "done");
    });
    expect(a.isUp("lan0")).toBe(false);
    a.ip("link", "del", "lan0");
    a.pair("lan1", hub, "p9", OTHER);
    hub.ip("link", "set", "p9", "master", "br0");
    b.ip("link", "set", "eth0", "address", OTHER);
    await waitFor("the new interface put down", () => {
      b.announce("eth0", "10.9.0.2");
      return actions(guard).some((line) => line["subject"] === "lan1" && line["outcome"] === "done");
    });
    for (let i = 0; i < 20; i++) {
      a.ip("link", "add", "name", `lan${i + 10}`, "type", "veth", "peer", "name", `other${i}`);
      a.ip("link", "set", `lan${i + 10}`, "up");
      a.ip("link", "del", `lan${i + 10}`);
    }
    await guard.stop();
    expect(guard.audit().filter((line) => line["event"] === "gap")).toEqual([]);
  });
});

describe("a flood of 10,000 messages a second", () => {
  test("neither hides a duplicate, nor grows the guard; what was not looked at is counted", async (context) => {
    need(context, compiler);
    const { a, b, c } = lan(context);
    const guard = await guardIn(context, a, 'duplicate = "log"');
    const before = rss(guard.pid);
    const seed = hexOf(arp({ source: OTHER, ip: "10.9.0.3" }));
    const command = [...c.under, frameSender(), "flood", "eth0", "50000", "10000", seed];
    const flood = spawn(command[0] as string, command.slice(1), { stdio: "ignore" });
    const over = once(flood, "exit");
    await waitFor("the flood to be on", () => a.counters("eth0").receivedBytes > 1_000_000);
    const asked = performance.now();
    b.announce("eth0", "10.9.0.2");
    await action(guard, "the duplicate", { verb: "log", outcome: "noted" });
    expect(performance.now() - asked).toBeLessThan(5000);
    await over;
    // Memories are of a fixed size: 50,000 addresses of each kind would be more than ten times that.
    expect(rss(guard.pid) - before).toBeLessThan(40 * 1024);
    expect(actions(guard)).toHaveLength(1);
    await guard.stop();
    expect(guard.audit().filter((line) => line["event"] === "gap")).toEqual([]);
    const dropped = guard
      .audit()
      .find((line) => line["event"] === "limited" && /not looked at/.test(line["what"] as string));
    expect(dropped?.["what"]).toMatch(/^eth0: [1-9]\d{3,} messages/);
  });
});

function rss(pid: number): number {
  const text = fs.readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+)/.exec(text)?.[1]);
}
