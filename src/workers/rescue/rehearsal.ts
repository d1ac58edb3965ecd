import fs from "node:fs";
import path from "node:path";
import { RescueBoard } from "../../core/rescue/board.ts";
import type { RescueOrder } from "../../core/rescue/order.ts";
import type { RescuePolicy } from "../../core/policy/policy.ts";
import type { CgroupVersion } from "../common/cgroup-path.ts";
import { monotonicUs } from "../common/clock.ts";
import { Journal } from "./journal.ts";
import { Receivers } from "./receivers.ts";
import { Rescuer } from "./rescuer.ts";
import { Transaction } from "./transaction.ts";

/** How often the way from a notice to a limit is walked before it is needed, so that it is compiled by then. */
const TURNS = 500;
const MIB = 1024 * 1024;
/** Nine digits, and nine when something has been added: what stands in a plain file is written over. */
const LIMIT_BYTES = 400 * MIB;
const RECEIVER = { number: 1, path: "/receiver", onlyAncestor: false };
const DONOR = { number: 2, path: "/donor", onlyAncestor: false };

const FILES: Readonly<Record<CgroupVersion, Readonly<Record<string, string>>>> = {
  1: {
    "memory.limit_in_bytes": `${LIMIT_BYTES}\n`,
    "memory.memsw.limit_in_bytes": `${LIMIT_BYTES}\n`,
    "memory.usage_in_bytes": `${LIMIT_BYTES - MIB}\n`,
    "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n",
    "memory.stat": "total_inactive_file 0\ntotal_active_file 4096\n",
    "cgroup.event_control": "",
  },
  2: {
    "memory.max": `${LIMIT_BYTES}\n`,
    "memory.high": `${LIMIT_BYTES - 32 * MIB}\n`,
    "memory.current": `${LIMIT_BYTES - MIB}\n`,
    "memory.stat": "inactive_file 0\nactive_file 4096\n",
    "memory.events.local": "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n",
  },
};

function lay(directory: string, version: CgroupVersion): number {
  fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
  for (const [name, text] of Object.entries(FILES[version]))
    fs.writeFileSync(path.join(directory, name), text);
  return fs.statSync(directory).ino;
}

/**
 * Rescues a cgroup that does not exist: plain files in a directory of their own, with a journal of their own. Cold, the
 * first rescue would take milliseconds. Nobody sees any of it, and nobody has to put it back.
 */
export function rehearse(journalPath: string, version: CgroupVersion, policy: RescuePolicy): void {
  const root = `${journalPath}.rehearsal`;
  fs.rmSync(root, { recursive: true, force: true });
  try {
    const identities = [RECEIVER, DONOR].map((each) => ({ ...each, inode: lay(root + each.path, version) }));
    // Where there is no usage at all there is room to give.
    fs.writeFileSync(
      path.join(root, "donor", version === 1 ? "memory.usage_in_bytes" : "memory.current"),
      "1\n",
    );
    const journal = Journal.open(path.join(root, "journal"));
    const board = new RescueBoard();
    const nothing = (): void => undefined;
    const receivers = new Receivers({ version, root }, board, {
      opened: nothing,
      closing: nothing,
      donorGone: nothing,
    });
    receivers.takeIdentities(identities, []);
    const transaction = new Transaction(journal);
    const means = { receivers, transaction, idPrefix: "rehearsal", mayWrite: () => true };
    const rescuer = new Rescuer(means, { ...policy, addMinBytes: MIB, addMaxBytes: 2 * MIB });
    for (let turn = 0; turn < TURNS; turn++) {
      lay(root + RECEIVER.path, version);
      board.write(0, orderOf(turn));
      receivers.takeOrders();
      const slot = receivers.slots[0];
      if (slot?.receiver) rescuer.rescue(slot, turn % 2 === 0 ? "oom" : "near-limit", monotonicUs());
      transaction.settle();
    }
    receivers.close();
    journal.close();
  } finally {
    fs.rmSync(root, { recursive: true, force: true });
  }
}

/** In turns by step 1 and by step 2. */
function orderOf(turn: number): RescueOrder {
  return {
    number: RECEIVER.number,
    limitBytes: LIMIT_BYTES,
    freeBytes: turn % 3 === 0 ? 0 : 8 * MIB,
    bearableBytes: 8 * MIB,
    lendableBytes: 8 * MIB,
    growthBytesPerSecond: 0,
    donors: [{ number: DONOR.number, slackBytes: 4 * MIB, floorBytes: 0 }],
  };
}
