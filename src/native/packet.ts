import { addressOf } from "./address.ts";
import { closeDescriptor } from "./descriptor.ts";
import { libc } from "./libc.ts";
import { type SystemError, systemError } from "./system-error.ts";

const AF_PACKET = 17;
const SOCK_RAW = 3;
const CLOEXEC = 0o2000000;
const NONBLOCK = 0o4000;
/** In network order, as bind takes it. Bridges take frames before protocols do: only ETH_P_ALL sees a port's. */
const ETH_P_ALL_NETWORK = 0x0300;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_ATTACH_FILTER = 26;
const SOL_PACKET = 263;
const PACKET_STATISTICS = 6;
const PACKET_AUXDATA = 8;
const PACKET_IGNORE_OUTGOING = 23;
const MSG_DONTWAIT = 0x40;
const PACKET_OUTGOING = 4;
const EAGAIN = 11;
const EINTR = 4;

/** struct mmsghdr, iovec, sockaddr_ll and the control message with struct tpacket_auxdata, on 64 bits. */
const HEADER_BYTES = 64;
const IOVEC_BYTES = 16;
const NAME_BYTES = 24;
const CONTROL_BYTES = 48;
const AUXDATA_AT = 16;
const STATUS_VLAN_VALID = 1 << 4;

/** More of a frame is not looked at: an ARP packet in two VLAN tags is 50 bytes, a neighbour advertisement 94. */
export const FRAME_BYTES = 128;
export const FRAMES_PER_BATCH = 64;

/** Where one thread's frames arrive: allocated once, shared by all its sockets. packet(7), recvmmsg(2). */
export class FrameBatch {
  readonly bytes: Buffer;
  readonly #view: DataView;
  readonly headers: Buffer;
  readonly #names: Buffer;
  readonly #controls: Buffer;
  readonly #iovecs: Buffer;

  constructor() {
    const count = FRAMES_PER_BATCH;
    this.bytes = Buffer.allocUnsafeSlow(count * FRAME_BYTES);
    this.headers = Buffer.allocUnsafeSlow(count * HEADER_BYTES).fill(0);
    this.#names = Buffer.allocUnsafeSlow(count * NAME_BYTES).fill(0);
    this.#controls = Buffer.allocUnsafeSlow(count * CONTROL_BYTES).fill(0);
    this.#iovecs = Buffer.allocUnsafeSlow(count * IOVEC_BYTES);
    this.#view = new DataView(this.headers.buffer, this.headers.byteOffset, this.headers.length);
    const [frames, names, controls, iovecs] = [this.bytes, this.#names, this.#controls, this.#iovecs].map(
      addressOf,
    ) as [bigint, bigint, bigint, bigint];
    for (let i = 0; i < count; i++) {
      this.#iovecs.writeBigUInt64LE(frames + BigInt(i * FRAME_BYTES), i * IOVEC_BYTES);
      this.#iovecs.writeBigUInt64LE(BigInt(FRAME_BYTES), i * IOVEC_BYTES + 8);
      const header = i * HEADER_BYTES;
      this.headers.writeBigUInt64LE(names + BigInt(i * NAME_BYTES), header);
      this.headers.writeBigUInt64LE(iovecs + BigInt(i * IOVEC_BYTES), header + 16);
      this.headers.writeBigUInt64LE(1n, header + 24);
      this.headers.writeBigUInt64LE(controls + BigInt(i * CONTROL_BYTES), header + 32);
    }
  }

  /** Lengths that the kernel has overwritten are put back. */
  reset(): void {
    for (let header = 0; header < this.headers.length; header += HEADER_BYTES) {
      this.#view.setUint32(header + 8, NAME_BYTES, true);
      this.#view.setUint32(header + 40, CONTROL_BYTES, true);
      this.#view.setUint32(header + 44, 0, true);
    }
  }

  /** Where the i-th frame of the last batch begins in {@link bytes}, and how long it is there. */
  frameAt(i: number): number {
    return i * FRAME_BYTES;
  }

  frameLength(i: number): number {
    return Math.min(FRAME_BYTES, this.#view.getUint32(i * HEADER_BYTES + 56, true));
  }

  /** Whether this machine sent it (sll_pkttype). */
  outgoing(i: number): boolean {
    return this.#names[i * NAME_BYTES + 10] === PACKET_OUTGOING;
  }

  /** The VLAN of a tag that the kernel has taken off, 0: none. PACKET_AUXDATA. */
  vlan(i: number): number {
    if (this.#view.getUint32(i * HEADER_BYTES + 40, true) < AUXDATA_AT + 20) return 0;
    const at = i * CONTROL_BYTES + AUXDATA_AT;
    const valid = (this.#controls.readUInt32LE(at) & STATUS_VLAN_VALID) !== 0;
    return valid ? this.#controls.readUInt16LE(at + 16) & 0xfff : 0;
  }
}

/** A socket that gets the frames of one interface that its filter lets through. */
export class PacketSocket {
  readonly descriptor: number;
  readonly #option = Buffer.allocUnsafeSlow(128).fill(0);
  readonly #optionLength = Buffer.alloc(8);

  private constructor(descriptor: number) {
    this.descriptor = descriptor;
  }

  /**
   * The filter is in place before the first frame can come.
   * @param filter classic BPF, struct sock_filter after struct sock_filter (8 bytes each)
   * @param sent whether it also gets what this machine sends
   */
  static open(
    interfaceNumber: number,
    filter: Buffer,
    { sent, bufferBytes }: { readonly sent: boolean; readonly bufferBytes: number },
  ): PacketSocket | SystemError {
    // With protocol 0 nothing arrives before bind.
    const opened = libc.socket([AF_PACKET, SOCK_RAW | CLOEXEC | NONBLOCK, 0]);
    if (opened.value === -1) return systemError("socket(AF_PACKET)", opened);
    const socket = new PacketSocket(opened.value);
    const failed =
      socket.attach(filter) ??
      socket.#set(SOL_SOCKET, SO_RCVBUF, bufferBytes) ??
      socket.#set(SOL_PACKET, PACKET_AUXDATA, 1) ??
      (sent ? null : socket.#set(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)) ??
      socket.#bind(interfaceNumber);
    if (failed === null) return socket;
    socket.close();
    return failed;
  }

  /** Puts another filter in the present one's place, at once. SO_ATTACH_FILTER, socket(7). */
  attach(filter: Buffer): SystemError | null {
    const program = Buffer.allocUnsafeSlow(Math.max(filter.length, 128));
    filter.copy(program);
    this.#option.fill(0, 0, 16);
    this.#option.writeUInt16LE(filter.length / 8, 0);
    this.#option.writeBigUInt64LE(addressOf(program), 8);
    const result = libc.setsockopt([this.descriptor, SOL_SOCKET, SO_ATTACH_FILTER, this.#option, 16]);
    // The kernel has copied the program; until here it must not be collected.
    return result.value === -1 && program.length > 0 ? systemError("SO_ATTACH_FILTER", result) : null;
  }

  /** Takes as many frames as there are and fit. @returns how many; -errno when the socket has an error to tell */
  receive(batch: FrameBatch): number {
    batch.reset();
    const result = libc.recvmmsg([this.descriptor, batch.headers, FRAMES_PER_BATCH, MSG_DONTWAIT, 0]);
    if (result.value !== -1) return result.value;
    return result.errnoCode === EAGAIN || result.errnoCode === EINTR ? 0 : -result.errnoCode;
  }

  /** Frames that found the socket's buffer full since the last call. PACKET_STATISTICS, packet(7). */
  drops(): number {
    this.#optionLength.writeUInt32LE(8, 0);
    const result = libc.getsockopt([
      this.descriptor,
      SOL_PACKET,
      PACKET_STATISTICS,
      this.#option,
      this.#optionLength,
    ]);
    return result.value === -1 ? 0 : this.#option.readUInt32LE(4);
  }

  close(): void {
    closeDescriptor(this.descriptor);
  }

  #set(level: number, option: number, value: number): SystemError | null {
    this.#option.writeInt32LE(value, 0);
    const result = libc.setsockopt([this.descriptor, level, option, this.#option, 4]);
    return result.value === -1 ? systemError(`setsockopt ${level} ${option}`, result) : null;
  }

  #bind(interfaceNumber: number): SystemError | null {
    const address = Buffer.alloc(NAME_BYTES);
    address.writeUInt16LE(AF_PACKET, 0);
    address.writeUInt16LE(ETH_P_ALL_NETWORK, 2);
    address.writeInt32LE(interfaceNumber, 4);
    const result = libc.bind([this.descriptor, address, 20]);
    return result.value === -1 ? systemError("bind to an interface", result) : null;
  }
}
