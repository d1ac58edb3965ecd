/** An Erlang VM that grows until a host's memory is used up, in a VM: ended by the guard with its crash dump, by the kernel without. */
import { expect, test } from "vitest";
import { erlang } from "../support/erlang.ts";
import { playApp } from "./app.ts";
import { labObstacle } from "./vm.ts";

const ROUNDS = 1;
const obstacle = labObstacle() ?? erlang();
const title =
  "the crash dump is whole before any OOM killer acts, and none where the kernel is alone; overcommit mode 2";

test.skipIf(obstacle !== null)(
  obstacle === null ? title : `${title} (skipped: ${obstacle})`,
  { timeout: 900_000 },
  async () => {
    const { rounds, troubles, promisedAudit, share } = await playApp(ROUNDS);
    expect(troubles, share).toEqual([]);
    expect(
      rounds.filter(({ how }) => how === "guarded"),
      share,
    ).toEqual(Array.from({ length: ROUNDS }, () => ({ how: "guarded", crashDump: "whole", oomKills: 0 })));
    const alone = rounds.filter(({ how }) => how === "alone");
    expect(alone.map(({ crashDump }) => crashDump)).toEqual(Array.from({ length: ROUNDS }, () => "none"));
    for (const { oomKills } of alone) expect(oomKills).toBeGreaterThan(0);
    // There the kernel holds everybody to what it has promised, and the guard acts on that measure.
    expect(rounds.find(({ how }) => how === "promised")).toEqual({
      how: "promised",
      crashDump: "whole",
      oomKills: 0,
    });
    const signalled = promisedAudit.find((line) => line["event"] === "action" && line["verb"] === "signal");
    expect(signalled).toMatchObject({ subject: "nso allocated", outcome: "ended" });
  },
);
