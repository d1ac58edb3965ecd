import { allLinksRequest, type Link, parseLinkMessages, setUpRequest } from "../../core/net/links.ts";
import { Topology } from "../../core/net/topology.ts";
import { LinkGroup, RouteSocket } from "../../native/netlink.ts";
import type { SystemError } from "../../native/system-error.ts";
import os from "node:os";

const ERRNO_NAMES = new Map(Object.entries(os.constants.errno).map(([name, code]) => [code, name]));
/** An answer to a request is there when send has returned; so many datagrams at most are read to find it. */
const DATAGRAMS_MAX = 1000;

/** Which interfaces there are, kept as the kernel tells of changes (rtnetlink(7)); and their being put up and down. */
export class LinkWatch {
  readonly #news = RouteSocket.open(LinkGroup);
  readonly #requests = RouteSocket.open();
  #links = new Map<number, Link>();
  #topology = new Topology(new Map());

  /** @throws Error where the kernel does not tell */
  constructor() {
    this.#askAll();
  }

  /** Readable when there is news. */
  get descriptor(): number {
    return this.#news.descriptor;
  }

  get topology(): Topology {
    return this.#topology;
  }

  /** Takes in what is new. @returns whether anything is */
  refresh(): boolean {
    let changed = false;
    for (;;) {
      const length = this.#news.receive();
      if (length === 0) break;
      changed = true;
      // More happened than the socket's buffer holds.
      if (length < 0) this.#askAll();
      else this.#take(this.#links, this.#news.bytes, length);
    }
    if (changed) this.#topology = new Topology(new Map(this.#links));
    return changed;
  }

  /** By its number: its name may be another's by now. @returns why not, as an errno's name; null when it is done */
  setUp(number: number, up: boolean): string | null {
    const refusal: SystemError | null = this.#requests.send(Buffer.from(setUpRequest(number, up)));
    if (refusal !== null) return refusal.code;
    for (let i = 0; i < DATAGRAMS_MAX; i++) {
      const length = this.#requests.receive();
      if (length <= 0) break;
      for (const message of parseLinkMessages(this.#requests.bytes, length)) {
        if (message.type !== "answer") continue;
        return message.errno === 0 ? null : (ERRNO_NAMES.get(message.errno) ?? `errno ${message.errno}`);
      }
    }
    return "no answer from the kernel";
  }

  close(): void {
    this.#news.close();
    this.#requests.close();
  }

  #askAll(): void {
    const links = new Map<number, Link>();
    const refusal = this.#requests.send(Buffer.from(allLinksRequest()));
    if (refusal !== null) throw new Error(`${refusal.call}: ${refusal.code}`);
    for (let i = 0; i < DATAGRAMS_MAX; i++) {
      const length = this.#requests.receive();
      if (length <= 0 || this.#take(links, this.#requests.bytes, length)) break;
    }
    this.#links = links;
    this.#topology = new Topology(new Map(links));
  }

  /** @returns whether that was the last of an answer */
  #take(links: Map<number, Link>, bytes: Uint8Array, length: number): boolean {
    let done = false;
    for (const message of parseLinkMessages(bytes, length)) {
      if (message.type === "link") links.set(message.link.number, message.link);
      else if (message.type === "gone") links.delete(message.number);
      else done = true;
    }
    return done;
  }
}
