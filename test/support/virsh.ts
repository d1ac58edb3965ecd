import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import type { TestContext } from "vitest";
import { testDirectory } from "./guard.ts";

/**
 * In front of virsh with the test driver, whose domains are saved in no time: virsh (9.0, virshWatchJob) starts a thread
 * for the save and only then the loop that this thread is to end; when the thread is first, virsh waits for ever. On one
 * processor, in the order of their turns (SCHED_FIFO), the loop is always first.
 */
const IN_TURN = `first=$(taskset -cp $$ | sed 's/.*: \\([0-9]*\\).*/\\1/')
in_turn() { exec taskset -c "$first" chrt -f 1 "$@"; }`;

/** libvirt's client, which brings the test driver with it (Debian: libvirt-clients). */
export function virsh(): string | null {
  const command = `${IN_TURN}\nin_turn virsh --connect test:///default list`;
  const { status, error, stderr } = spawnSync("/bin/sh", ["-c", command], { encoding: "utf8" });
  return status === 0
    ? null
    : `needs virsh with libvirt's test driver (libvirt-clients), and SCHED_FIFO: ${error?.message ?? stderr.trim()}`;
}

export interface TestDomain {
  readonly name: string;
  readonly memoryMiB: number;
}

/** The UUID of the i-th domain of {@link testDriver}. */
export function domainUuid(i: number): string {
  return `00000000-0000-4000-8000-${String(i + 1).padStart(12, "0")}`;
}

const escape = (text: string): string =>
  text.replace(/[&<>'"]/g, (character) => `&#${character.codePointAt(0)};`);

/** A URI of libvirt's test driver with these domains, all running. Its state lives in one virsh. */
export function testDriver(context: TestContext, domains: readonly TestDomain[]): string {
  const file = path.join(testDirectory(context), "domains.xml");
  const texts = domains.map(
    ({ name, memoryMiB }, i) =>
      `<domain type='test'><name>${escape(name)}</name><uuid>${domainUuid(i)}</uuid>` +
      `<memory unit='MiB'>${memoryMiB}</memory><vcpu>1</vcpu><os><type>hvm</type></os></domain>`,
  );
  fs.writeFileSync(file, `<node>${texts.join("\n")}</node>\n`);
  return `test://${file}`;
}

/**
 * A directory to be put first in PATH, with a `virsh` of the test's own.
 * @param script of /bin/sh; `real` is the real one
 */
export function virshInPath(context: TestContext, script: string): string {
  const directory = testDirectory(context);
  const real = spawnSync("/bin/sh", ["-c", "command -v virsh"], { encoding: "utf8" }).stdout.trim();
  const text = `#!/bin/sh\n${IN_TURN}\nreal() { in_turn '${real}' "$@"; }\n${script}\n`;
  fs.writeFileSync(path.join(directory, "virsh"), text, { mode: 0o755 });
  return `${directory}:${process.env["PATH"] ?? ""}`;
}

/** A virsh that never answers, for so long: as one whose libvirtd hangs. @returns what PATH has to be */
export function hungVirsh(context: TestContext, seconds: number): string {
  return virshInPath(context, `exec sleep ${seconds}`);
}

/** A virsh that answers until the file is there, and no more from then on. */
export function virshHangingFrom(context: TestContext, file: string): string {
  // Line by line, so that what comes after the file does is not answered.
  return virshInPath(
    context,
    `while IFS= read -r line; do [ -e '${file}' ] && exec sleep 60; printf '%s\\n' "$line"; done | real "$@"`,
  );
}

/** The real virsh, fit for the test driver. */
export function testVirsh(context: TestContext): string {
  return virshInPath(context, 'real "$@"');
}
