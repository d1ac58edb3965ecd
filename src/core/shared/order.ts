import { invariant } from "../fault.ts";

/**
 * The standing order and the strike: what the analysis wants done, and what the sentinel did, in shared memory.
 *
 * The order is written under a sequence lock by the analysis alone. The strike's state is taken by compare-and-swap,
 * so that of the analysis (deciding) and the sentinel (told by the kernel) only one can begin an action: never two in
 * flight.
 */

const INTS = 16;
const Int = { sequence: 0, strikeState: 1, armedNumber: 2, refusedNumber: 3, claimedNumber: 4 } as const;
const ORDER_AT = 0;
const STRIKE_AT = 16;
const DOUBLES = 32;

/** Doubles of the order. */
const OrderField = {
  number: 0,
  pid: 1,
  startTicks: 2,
  signal: 3,
  immediate: 4,
  fire: 5,
  lineBytes: 6,
  dryRun: 7,
  group: 8,
} as const;
/** Doubles of the strike. */
const StrikeField = {
  number: 0,
  wokenUs: 1,
  signalledUs: 2,
  availableBytes: 3,
  errno: 4,
  pidfd: 5,
  signal: 6,
} as const;

/** An order in numbers. `number` is the decision's or standing order's place in the analysis's count. */
export interface Order {
  /** 0: there is no order. */
  number: number;
  pid: number;
  startTicks: number;
  /** 0, or the process group, led or held by that process, that is to be ended as one. */
  group: number;
  signal: number;
  /** To be carried out as soon as the kernel says that the line is crossed, when that is so. */
  immediate: boolean;
  /** To be carried out now. */
  fire: boolean;
  lineBytes: number;
  dryRun: boolean;
}

/** No order: nobody to hold a pidfd of, nothing to do. */
export function emptyOrder(): Order {
  return {
    number: 0,
    pid: 0,
    startTicks: 0,
    group: 0,
    signal: 0,
    immediate: false,
    fire: false,
    lineBytes: 0,
    dryRun: false,
  };
}

export interface Strike {
  number: number;
  /** When the sentinel woke, and when pidfd_send_signal had returned. */
  wokenUs: number;
  signalledUs: number;
  /** What was available when it woke, NaN when it did not look. */
  availableBytes: number;
  /** 0: the signal was sent. */
  errno: number;
  /** The victim's; whoever takes the strike over closes it. -1 when there is none. */
  pidfd: number;
  signal: number;
}

/** Nobody acts; the analysis has claimed the right to; the sentinel is striking; it has struck. */
export const StrikeState = { idle: 0, claimed: 1, striking: 2, struck: 3 } as const;

export class OrderBoard {
  readonly memory: SharedArrayBuffer;
  readonly #ints: Int32Array;
  readonly #doubles: Float64Array;

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(INTS * 4 + DOUBLES * 8)) {
    this.memory = memory;
    this.#ints = new Int32Array(memory, 0, INTS);
    this.#doubles = new Float64Array(memory, INTS * 4, DOUBLES);
  }

  /** Replaces the order. Only the analysis does. */
  write(order: Readonly<Order>): void {
    const d = this.#doubles;
    Atomics.add(this.#ints, Int.sequence, 1);
    d[ORDER_AT + OrderField.number] = order.number;
    d[ORDER_AT + OrderField.pid] = order.pid;
    d[ORDER_AT + OrderField.startTicks] = order.startTicks;
    d[ORDER_AT + OrderField.group] = order.group;
    d[ORDER_AT + OrderField.signal] = order.signal;
    d[ORDER_AT + OrderField.immediate] = order.immediate ? 1 : 0;
    d[ORDER_AT + OrderField.fire] = order.fire ? 1 : 0;
    d[ORDER_AT + OrderField.lineBytes] = order.lineBytes;
    d[ORDER_AT + OrderField.dryRun] = order.dryRun ? 1 : 0;
    Atomics.add(this.#ints, Int.sequence, 1);
  }

  /** Reads the order as one whole, or says that it is just being written (the writer raises an event afterwards). */
  read(into: Order): boolean {
    const d = this.#doubles;
    const before = Atomics.load(this.#ints, Int.sequence);
    if ((before & 1) !== 0) return false;
    into.number = d[ORDER_AT + OrderField.number] as number;
    into.pid = d[ORDER_AT + OrderField.pid] as number;
    into.startTicks = d[ORDER_AT + OrderField.startTicks] as number;
    into.group = d[ORDER_AT + OrderField.group] as number;
    into.signal = d[ORDER_AT + OrderField.signal] as number;
    into.immediate = d[ORDER_AT + OrderField.immediate] === 1;
    into.fire = d[ORDER_AT + OrderField.fire] === 1;
    into.lineBytes = d[ORDER_AT + OrderField.lineBytes] as number;
    into.dryRun = d[ORDER_AT + OrderField.dryRun] === 1;
    return Atomics.load(this.#ints, Int.sequence) === before;
  }

  get state(): number {
    return Atomics.load(this.#ints, Int.strikeState);
  }

  /** Goes from one state to the next, if it still is in the first. */
  advance(from: number, to: number): boolean {
    return Atomics.compareExchange(this.#ints, Int.strikeState, from, to) === from;
  }

  /** Takes the right to act, for decision `number`. False when somebody has it. */
  claim(number: number): boolean {
    if (!this.advance(StrikeState.idle, StrikeState.claimed)) return false;
    Atomics.store(this.#ints, Int.claimedNumber, number | 0);
    return true;
  }

  /** The decision that the right to act was taken for last. */
  get claimedNumber(): number {
    return Atomics.load(this.#ints, Int.claimedNumber);
  }

  /** What the sentinel did; to be written while striking, read once struck. */
  writeStrike(strike: Readonly<Strike>): void {
    invariant(this.state === StrikeState.striking, "a strike is written only while striking");
    const d = this.#doubles;
    d[STRIKE_AT + StrikeField.number] = strike.number;
    d[STRIKE_AT + StrikeField.wokenUs] = strike.wokenUs;
    d[STRIKE_AT + StrikeField.signalledUs] = strike.signalledUs;
    d[STRIKE_AT + StrikeField.availableBytes] = strike.availableBytes;
    d[STRIKE_AT + StrikeField.errno] = strike.errno;
    d[STRIKE_AT + StrikeField.pidfd] = strike.pidfd;
    d[STRIKE_AT + StrikeField.signal] = strike.signal;
    Atomics.store(this.#ints, Int.strikeState, StrikeState.struck);
  }

  readStrike(): Strike {
    const d = this.#doubles;
    return {
      number: d[STRIKE_AT + StrikeField.number] as number,
      wokenUs: d[STRIKE_AT + StrikeField.wokenUs] as number,
      signalledUs: d[STRIKE_AT + StrikeField.signalledUs] as number,
      availableBytes: d[STRIKE_AT + StrikeField.availableBytes] as number,
      errno: d[STRIKE_AT + StrikeField.errno] as number,
      pidfd: d[STRIKE_AT + StrikeField.pidfd] as number,
      signal: d[STRIKE_AT + StrikeField.signal] as number,
    };
  }

  /** Number of the order whose victim the sentinel could not open: gone, or another has its pid. */
  get refusedNumber(): number {
    return Atomics.load(this.#ints, Int.refusedNumber);
  }

  refuse(number: number): void {
    Atomics.store(this.#ints, Int.refusedNumber, number | 0);
  }

  /** Number of the order whose victim the sentinel holds a pidfd of. */
  get armedNumber(): number {
    return Atomics.load(this.#ints, Int.armedNumber);
  }

  arm(number: number): void {
    Atomics.store(this.#ints, Int.armedNumber, number | 0);
  }
}
