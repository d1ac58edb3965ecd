import { othersFilter, ownFilter } from "../../core/net/filter.ts";
import type { Link } from "../../core/net/links.ts";
import { type FrameBatch, FRAMES_PER_BATCH, PacketSocket } from "../../native/packet.ts";
import type { SystemError } from "../../native/system-error.ts";

const BUFFER_BYTES = 64 * 1024;
/** So many frames a second are looked at, a socket; the kernel drops what does not fit into its buffer meanwhile, and counts. */
export const BUDGET_PER_SECOND = 1000;
/** From so many in a second on, what others say is read in batches, that often. */
const BUSY_PER_SECOND = 100;
const BATCH_MS = 25;
const SECOND_MS = 1000;

/** One of an interface's two sockets, and how much of it was looked at. */
class Tap {
  readonly socket: PacketSocket;
  readonly #paced: boolean;
  #secondMs = 0;
  #frames = 0;
  #resumeMs = 0;

  constructor(socket: PacketSocket, paced: boolean) {
    this.socket = socket;
    this.#paced = paced;
  }

  /** When it is to be looked at again; 0: as soon as there is something. */
  get resumeMs(): number {
    return this.#resumeMs;
  }

  due(nowMs: number): boolean {
    return nowMs >= this.#resumeMs;
  }

  /** @returns how many frames are in the batch */
  read(batch: FrameBatch, nowMs: number): number {
    if (nowMs - this.#secondMs >= SECOND_MS) {
      this.#secondMs = nowMs;
      this.#frames = 0;
    }
    const count = this.socket.receive(batch);
    // An interface that is down or gone says so once (ENETDOWN); it speaks again when it is up.
    if (count <= 0) {
      this.#resumeMs = 0;
      return 0;
    }
    this.#frames += count;
    if (this.#frames >= BUDGET_PER_SECOND) this.#resumeMs = this.#secondMs + SECOND_MS;
    else if (this.#paced && this.#frames > BUSY_PER_SECOND && count < FRAMES_PER_BATCH)
      this.#resumeMs = nowMs + BATCH_MS;
    else this.#resumeMs = 0;
    return count;
  }
}

/**
 * What is heard of one interface, by two sockets: messages with addresses of this machine, sent and received; and what
 * others say. A flood of the others' fills their socket alone: what is urgent has a way of its own.
 */
export class Listener {
  link: Link;
  readonly own: Tap;
  readonly others: Tap;

  private constructor(link: Link, own: PacketSocket, others: PacketSocket) {
    this.link = link;
    this.own = new Tap(own, false);
    this.others = new Tap(others, true);
  }

  static open(link: Link, ownMacs: readonly number[]): Listener | SystemError {
    const bufferBytes = BUFFER_BYTES;
    const own = PacketSocket.open(link.number, Buffer.from(ownFilter(ownMacs)), { sent: true, bufferBytes });
    if ("errno" in own) return own;
    const filter = Buffer.from(othersFilter(ownMacs));
    const others = PacketSocket.open(link.number, filter, { sent: false, bufferBytes });
    if (!("errno" in others)) return new Listener(link, own, others);
    own.close();
    return others;
  }

  /** This machine has other addresses now. */
  setOwn(ownMacs: readonly number[]): SystemError | null {
    return (
      this.own.socket.attach(Buffer.from(ownFilter(ownMacs))) ??
      this.others.socket.attach(Buffer.from(othersFilter(ownMacs)))
    );
  }

  /** Frames that nobody looked at since the last call. */
  drops(): number {
    return this.own.socket.drops() + this.others.socket.drops();
  }

  close(): void {
    this.own.socket.close();
    this.others.socket.close();
  }
}
