import fs from "node:fs";
import path from "node:path";
import { describe, expect, test, type TestContext } from "vitest";
import { Journal } from "../../src/workers/rescue/journal.ts";
import { LimitFile } from "../../src/workers/rescue/limit-file.ts";
import { Transaction } from "../../src/workers/rescue/transaction.ts";
import { MIB, TestCgroup } from "../support/cgroup.ts";
import { testDirectory } from "../support/guard.ts";
import { cgroupV1, need, root } from "../support/needs.ts";

interface Held {
  readonly cgroup: TestCgroup;
  readonly inode: number;
  readonly limit: LimitFile;
}

function held(context: TestContext, limitMiB: number | null): Held {
  const cgroup = TestCgroup.memory(context, limitMiB);
  const limit = new LimitFile(path.join(cgroup.directory, "memory.limit_in_bytes"), 1);
  return { cgroup, inode: fs.statSync(cgroup.directory).ino, limit };
}

function books(context: TestContext): { journal: Journal; transaction: Transaction } {
  need(context, root, cgroupV1);
  const journal = Journal.open(path.join(testDirectory(context), "limits.journal"));
  const transaction = new Transaction(journal);
  transaction.begin();
  return { journal, transaction };
}

describe("changes of limits, made together or not at all", () => {
  test("are all made, journaled first, and off the journal when they are back", (context) => {
    const { journal, transaction } = books(context);
    const all = [held(context, 100), held(context, 64)];
    const [donor, receiver] = all as [Held, Held];
    transaction.add(donor.limit, donor.inode, 100 * MIB, 90 * MIB);
    transaction.add(receiver.limit, receiver.inode, 64 * MIB, 74 * MIB);
    expect(transaction.commit()).toBeNull();
    expect(all.map(({ cgroup }) => cgroup.limitBytes / MIB)).toEqual([90, 74]);
    expect(journal.outstanding().map(({ original, value }) => [original / MIB, value / MIB])).toEqual([
      [100, 90],
      [64, 74],
    ]);
    transaction.begin();
    transaction.add(receiver.limit, receiver.inode, 74 * MIB, 64 * MIB);
    transaction.add(donor.limit, donor.inode, 90 * MIB, 100 * MIB);
    expect(transaction.commit()).toBeNull();
    transaction.settle();
    expect(journal.outstanding()).toEqual([]);
  });

  test("EBUSY: a donor that uses more than it would be left; those before it are put back", async (context) => {
    const { journal, transaction } = books(context);
    const [willing, busy, receiver] = [held(context, 100), held(context, 200), held(context, 64)];
    const program = await busy.cgroup.start(context, "grow", ["--from", "80"]);
    await program.said("ready");
    transaction.add(willing.limit, willing.inode, 100 * MIB, 90 * MIB);
    transaction.add(busy.limit, busy.inode, 200 * MIB, 40 * MIB);
    transaction.add(receiver.limit, receiver.inode, 64 * MIB, 234 * MIB);
    expect(transaction.commit()).toEqual({ path: busy.limit.path, code: "EBUSY" });
    const limits = [willing, busy, receiver].map(({ cgroup }) => cgroup.limitBytes / MIB);
    expect(limits).toEqual([100, 200, 64]);
    expect(program.end).toBeNull();
    expect(journal.outstanding()).toEqual([]);
  });

  test("EINVAL: a limit above that of memory and swap together", (context) => {
    const { journal, transaction } = books(context);
    const [donor, receiver] = [held(context, 100), held(context, 64)];
    if (!fs.existsSync(path.join(receiver.cgroup.directory, "memory.memsw.limit_in_bytes"))) {
      context.skip("needs swap accounting on cgroup v1 (memory.memsw.limit_in_bytes)");
    }
    receiver.cgroup.write("memory.memsw.limit_in_bytes", String(64 * MIB));
    transaction.add(donor.limit, donor.inode, 100 * MIB, 90 * MIB);
    transaction.add(receiver.limit, receiver.inode, 64 * MIB, 74 * MIB);
    expect(transaction.commit()).toEqual({ path: receiver.limit.path, code: "EINVAL" });
    expect([donor, receiver].map(({ cgroup }) => cgroup.limitBytes / MIB)).toEqual([100, 64]);
    expect(journal.outstanding()).toEqual([]);
  });

  test("a cgroup that is removed in the middle: its donors have theirs back", async (context) => {
    const { journal, transaction } = books(context);
    const [donor, receiver] = [held(context, 100), held(context, 64)];
    transaction.add(donor.limit, donor.inode, 100 * MIB, 90 * MIB);
    transaction.add(receiver.limit, receiver.inode, 64 * MIB, 74 * MIB);
    await receiver.cgroup.remove();
    expect(transaction.commit()).toEqual({ path: receiver.limit.path, code: "ENODEV" });
    expect(donor.cgroup.limitBytes).toBe(100 * MIB);
    expect(journal.outstanding()).toEqual([]);
    expect(receiver.limit.read()).toBeNaN();
  });

  test("a journal that cannot be written: nothing is changed", (context) => {
    const { journal, transaction } = books(context);
    const receiver = held(context, 64);
    journal.close();
    transaction.add(receiver.limit, receiver.inode, 64 * MIB, 74 * MIB);
    expect(transaction.commit()).toMatchObject({ path: journal.path });
    expect(receiver.cgroup.limitBytes).toBe(64 * MIB);
  });

  test("a journal that cannot be written any more: what was found is put back all the same", (context) => {
    const { journal, transaction } = books(context);
    const receiver = held(context, 64);
    transaction.add(receiver.limit, receiver.inode, 64 * MIB, 74 * MIB);
    expect(transaction.commit()).toBeNull();
    journal.close();
    expect(transaction.putBack(receiver.limit, receiver.inode, 64 * MIB)).toBeNull();
    expect(receiver.cgroup.limitBytes).toBe(64 * MIB);
  });
});

describe("a limit file", () => {
  test.for([
    [null, Number.POSITIVE_INFINITY],
    [64, 64 * MIB],
  ])("of %s MiB is read as %d bytes", ([limitMiB, bytes], context) => {
    need(context, root, cgroupV1);
    const { limit } = held(context, limitMiB as number | null);
    expect(limit.read()).toBe(bytes);
  });

  test("takes no limit as well as whole bytes", (context) => {
    need(context, root, cgroupV1);
    const { limit, cgroup } = held(context, 64);
    expect(limit.write(Number.POSITIVE_INFINITY)).toBeNull();
    expect(limit.read()).toBe(Number.POSITIVE_INFINITY);
    expect(limit.write(65 * MIB)).toBeNull();
    expect(cgroup.limitBytes).toBe(65 * MIB);
  });
});
