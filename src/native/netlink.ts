import { closeDescriptor } from "./descriptor.ts";
import { libc } from "./libc.ts";
import { orThrow, type SystemError, systemError } from "./system-error.ts";

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const CLOEXEC = 0o2000000;
const NONBLOCK = 0o4000;
const NETLINK_ROUTE = 0;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SOL_NETLINK = 270;
const NETLINK_GET_STRICT_CHK = 12;
const MSG_DONTWAIT = 0x40;
const EAGAIN = 11;
const EINTR = 4;
const ENOBUFS = 105;
const BUFFER_BYTES = 1 << 20;

/** Groups of rtnetlink(7): who subscribes is told of changes. */
export const LinkGroup = 1;

/** A talk with the kernel about its network: rtnetlink(7). What is asked is answered before {@link send} returns. */
export class RouteSocket {
  readonly descriptor: number;
  /** What {@link receive} has filled. */
  readonly bytes = Buffer.allocUnsafeSlow(64 * 1024);

  private constructor(descriptor: number) {
    this.descriptor = descriptor;
  }

  /** @param groups 0: nothing but answers comes. @throws Error where the kernel has no rtnetlink */
  static open(groups = 0): RouteSocket {
    const kind = SOCK_RAW | CLOEXEC | NONBLOCK;
    const descriptor = orThrow("socket(AF_NETLINK)", libc.socket([AF_NETLINK, kind, NETLINK_ROUTE]));
    const value = Buffer.alloc(8);
    value.writeInt32LE(BUFFER_BYTES, 0);
    libc.setsockopt([descriptor, SOL_SOCKET, SO_RCVBUF, value, 4]);
    // Dumps are then filtered by what the request names; older kernels ignore that, and send all.
    value.writeInt32LE(1, 0);
    libc.setsockopt([descriptor, SOL_NETLINK, NETLINK_GET_STRICT_CHK, value, 4]);
    const address = Buffer.alloc(12);
    address.writeUInt16LE(AF_NETLINK, 0);
    address.writeUInt32LE(groups, 8);
    orThrow("bind(AF_NETLINK)", libc.bind([descriptor, address, address.length]));
    return new RouteSocket(descriptor);
  }

  send(request: Buffer): SystemError | null {
    const result = libc.send([this.descriptor, request, request.length, 0]);
    return result.value === -1 ? systemError("send to rtnetlink", result) : null;
  }

  /** One datagram into {@link bytes}. @returns its length, 0: there is none; -1: some were lost, ask for all anew */
  receive(): number {
    for (;;) {
      const result = libc.recv([this.descriptor, this.bytes, this.bytes.length, MSG_DONTWAIT]);
      if (result.value !== -1) return result.value;
      if (result.errnoCode === EINTR) continue;
      if (result.errnoCode === EAGAIN) return 0;
      if (result.errnoCode === ENOBUFS) return -1;
      throw new Error(`recv from rtnetlink: ${systemError("recv", result).code}`);
    }
  }

  close(): void {
    closeDescriptor(this.descriptor);
  }
}

/** The ifindex of a name; 0: there is none. if_nametoindex(3). */
export function interfaceNumber(name: string): number {
  return libc.ifNametoindex([name]).value;
}
