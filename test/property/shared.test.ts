/** The words that threads share: the board, the standing order under a racing writer, the right to strike. */
import { Worker } from "node:worker_threads";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Board, FaultKind, Gauge, WORKER_NAMES } from "../../src/core/shared/board.ts";
import { emptyOrder, type Order, OrderBoard, type Strike, StrikeState } from "../../src/core/shared/order.ts";

const seed = process.env["PLIMSOLL_SEED"];
if (seed !== undefined) fc.configureGlobal({ seed: Number(seed) });

const ORDER_MODULE = new URL("../../dist/src/core/shared/order.js", import.meta.url).href;
const BOARD_MODULE = new URL("../../dist/src/core/shared/board.js", import.meta.url).href;

const strike: Strike = {
  number: 3,
  wokenUs: 1,
  signalledUs: 2,
  availableBytes: Number.NaN,
  errno: 0,
  pidfd: 17,
  signal: 15,
};

/** Runs a script in a thread; resolves with what it posts. */
function thread(script: string, data: unknown): Promise<number> {
  const worker = new Worker(`const { parentPort, workerData } = require("node:worker_threads");\n${script}`, {
    eval: true,
    workerData: data,
  });
  return new Promise((resolve, reject) => {
    worker.once("message", (value: number) => {
      void worker.terminate().then(() => resolve(value));
    });
    worker.once("error", reject);
  });
}

describe("the standing order", () => {
  test("is read as it was written", () => {
    const order = fc.record<Order>({
      number: fc.nat(),
      pid: fc.nat({ max: 2 ** 22 }),
      startTicks: fc.maxSafeNat(),
      group: fc.maxSafeNat(),
      signal: fc.constantFrom(0, 9, 15),
      immediate: fc.boolean(),
      fire: fc.boolean(),
      lineBytes: fc.maxSafeNat(),
      dryRun: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(order, { minLength: 1 }), (orders) => {
        const board = new OrderBoard();
        const other = new OrderBoard(board.memory);
        const read = emptyOrder();
        for (const each of orders) {
          board.write(each);
          expect(other.read(read)).toBe(true);
          expect(read).toEqual(each);
        }
      }),
    );
  });

  test("is never read as half of one and half of another, while a thread writes as fast as it can", async () => {
    const board = new OrderBoard();
    const stop = new Int32Array(new SharedArrayBuffer(4));
    const written = thread(
      `import(workerData.module).then(({ OrderBoard }) => {
        const board = new OrderBoard(workerData.memory);
        const stop = new Int32Array(workerData.stop);
        let n = 0;
        while (Atomics.load(stop, 0) === 0) {
          n++;
          board.write({ number: n, pid: n + 1, startTicks: n + 2, signal: n + 3, immediate: n % 2 === 0,
            fire: n % 2 !== 0, lineBytes: n * 4096, dryRun: n % 2 === 0 });
        }
        parentPort.postMessage(n);
      });`,
      { module: ORDER_MODULE, memory: board.memory, stop: stop.buffer },
    );
    const order = emptyOrder();
    let [mixed, read, different, last] = [0, 0, 0, 0];
    const beganMs = performance.now();
    // On a machine that is busy elsewhere the two threads take longer to meet.
    const enough = (): boolean => performance.now() - beganMs > (different > 200 ? 500 : 20_000);
    while (!enough()) {
      for (let i = 0; i < 1000; i++) {
        if (!board.read(order) || order.number === 0) continue;
        const { number: n } = order;
        const even = n % 2 === 0;
        const whole =
          order.pid === n + 1 &&
          order.startTicks === n + 2 &&
          order.signal === n + 3 &&
          order.lineBytes === n * 4096 &&
          order.immediate === even &&
          order.fire === !even &&
          order.dryRun === even;
        read++;
        if (!whole || n < last) mixed++;
        if (n !== last) different++;
        last = n;
      }
      // The writer's thread is started by this one's event loop.
      await new Promise(setImmediate);
    }
    Atomics.store(stop, 0, 1);
    const total = await written;
    expect(mixed).toBe(0);
    expect(read).toBeGreaterThan(1000);
    expect(different).toBeGreaterThan(100);
    expect(board.read(order)).toBe(true);
    expect(order.number).toBe(total);
  });
});

describe("the right to strike", () => {
  test("whoever claims, strikes and lets go in whatever order: one has it at a time", () => {
    const states = Object.values(StrikeState);
    const move = fc.oneof(
      fc.record({ claim: fc.integer({ min: 1, max: 1000 }) }),
      fc.record({ from: fc.constantFrom(...states), to: fc.constantFrom(...states) }),
    );
    fc.assert(
      fc.property(fc.array(move), (moves) => {
        const board = new OrderBoard();
        let state: number = StrikeState.idle;
        let claimed = 0;
        for (const each of moves) {
          if ("claim" in each) {
            const right = state === StrikeState.idle;
            expect(board.claim(each.claim)).toBe(right);
            if (right) [state, claimed] = [StrikeState.claimed, each.claim];
          } else {
            expect(board.advance(each.from, each.to)).toBe(state === each.from);
            if (state === each.from) state = each.to;
          }
          expect(board.state).toBe(state);
          expect(board.claimedNumber).toBe(claimed);
        }
      }),
    );
  });

  test("of two threads that want it at once, one gets it, every time", async () => {
    const board = new OrderBoard();
    const ROUNDS = 20_000;
    // Each counts what it won; whoever wins lets go again.
    const script = `import(workerData.module).then(({ OrderBoard, StrikeState }) => {
      const board = new OrderBoard(workerData.memory);
      const holders = new Int32Array(workerData.holders);
      let won = 0, together = 0;
      while (won < ${ROUNDS}) {
        if (!board.claim(won + 1)) continue;
        if (Atomics.add(holders, 0, 1) !== 0) together++;
        won++;
        Atomics.sub(holders, 0, 1);
        board.advance(StrikeState.claimed, StrikeState.idle);
      }
      parentPort.postMessage(together);
    });`;
    const data = { module: ORDER_MODULE, memory: board.memory, holders: new SharedArrayBuffer(4) };
    expect(await Promise.all([thread(script, data), thread(script, data)])).toEqual([0, 0]);
    expect(board.state).toBe(StrikeState.idle);
  });

  test("a strike is written only while striking, and then it is struck", () => {
    const board = new OrderBoard();
    expect(() => board.writeStrike(strike)).toThrow(/broken invariant/);
    board.claim(3);
    expect(() => board.writeStrike(strike)).toThrow(/broken invariant/);
    expect(board.advance(StrikeState.claimed, StrikeState.striking)).toBe(true);
    board.writeStrike(strike);
    expect(board.state).toBe(StrikeState.struck);
    expect(new OrderBoard(board.memory).readStrike()).toEqual(strike);
  });

  test("armed and refused numbers are kept apart", () => {
    const board = new OrderBoard();
    board.arm(5);
    board.refuse(7);
    expect([board.armedNumber, board.refusedNumber]).toEqual([5, 7]);
  });
});

describe("the board", () => {
  test("each worker's words are its own", () => {
    const board = new Board();
    WORKER_NAMES.forEach((name, i) => {
      for (let life = 0; life <= i; life++) expect(board.nextEpoch(name)).toBe(life + 1);
      board.setReady(name);
      for (let mail = 0; mail < i; mail++) board.addMail(name);
      board.beat(name, 1000 + i);
    });
    const seen = new Board(board.memory);
    WORKER_NAMES.forEach((name, i) => {
      expect(seen.epoch(name)).toBe(i + 1);
      expect(seen.isReady(name)).toBe(true);
      expect(seen.mail(name)).toBe(i);
      expect(seen.silentMs(name, 1500)).toBe(500 - i);
    });
    board.nextEpoch("memory");
    expect(seen.isReady("memory")).toBe(false);
    expect(seen.isReady("processes")).toBe(true);
  });

  test("silence is measured right across the end of the clock's 31 bits", () => {
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 40 }), fc.nat({ max: 10_000_000 }), (beatMs, silentMs) => {
        const board = new Board();
        board.beat("action", beatMs);
        expect(board.silentMs("action", beatMs + silentMs)).toBe(silentMs);
      }),
      { examples: [[2 ** 31 - 1, 2]] },
    );
  });

  test("a fault is committed once", () => {
    const board = new Board();
    board.injectFault("recorder", FaultKind.throw);
    expect(board.takeFault("analysis")).toBe(FaultKind.none);
    expect(board.takeFault("recorder")).toBe(FaultKind.throw);
    expect(board.takeFault("recorder")).toBe(FaultKind.none);
  });

  test("gauges hold what was set, the shared words do not touch them nor each other", () => {
    const board = new Board();
    for (const index of Object.values(Gauge)) board.setGauge(index, index + 0.5);
    board.walkIntervalMs = 20.2;
    board.requestWalk();
    board.requestWalk();
    board.worstLevel = 2;
    board.ring();
    for (const index of Object.values(Gauge)) expect(board.gauge(index)).toBe(index + 0.5);
    expect([board.walkIntervalMs, board.walkRequests, board.worstLevel, board.rings]).toEqual([21, 2, 2, 1]);
  });

  test("a ring wakes who waits, and one that came before the waiting is not missed", async () => {
    const board = new Board();
    const missed = board.rings;
    board.ring();
    const beganMs = performance.now();
    board.waitForRing(missed, 5000);
    expect(performance.now() - beganMs).toBeLessThan(1000);
    const woken = thread(
      `import(workerData.module).then(({ Board }) => {
        const board = new Board(workerData.memory);
        const seen = board.rings;
        board.setGauge(0, 1);
        const began = performance.now();
        board.waitForRing(seen, 10_000);
        parentPort.postMessage(performance.now() - began);
      });`,
      { module: BOARD_MODULE, memory: board.memory },
    );
    while (board.gauge(0) !== 1) await new Promise(setImmediate);
    board.ring();
    expect(await woken).toBeLessThan(5000);
  });
});
