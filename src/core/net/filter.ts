/**
 * Classic BPF (socket(7), Documentation/networking/filter.rst) for the frames that tell who has which address: ARP,
 * and IPv6 neighbour solicitations and advertisements (RFC 4861), each also in up to two VLAN tags. One tag at most is in the
 * frame itself: the kernel takes the outermost off.
 */

const LOAD_HALF = 0x28;
const LOAD_WORD = 0x20;
const LOAD_BYTE = 0x30;
const JUMP_EQUAL = 0x15;
const RETURN = 0x06;

const ETHERTYPE_AT = 12;
const TAG_BYTES = 4;
const ARP = 0x0806;
const IPV6 = 0x86dd;
const VLAN = 0x8100;
const SERVICE_VLAN = 0x88a8;
const ICMPV6 = 58;
export const SOLICITATION = 135;
export const ADVERTISEMENT = 136;
/** So much of a frame is handed over. */
export const SNAP_BYTES = 128;
/** Of the kernel: BPF_MAXINSNS 4096. */
const ADDRESSES_MAX = 500;

interface Instruction {
  readonly code: number;
  readonly yes: number;
  readonly no: number;
  readonly value: number;
}

const load = (code: number, at: number): Instruction => ({ code, yes: 0, no: 0, value: at });
const ifEqual = (value: number, yes: number, no: number): Instruction => ({
  code: JUMP_EQUAL,
  yes,
  no,
  value,
});
const answer = (bytes: number): Instruction => ({ code: RETURN, yes: 0, no: 0, value: bytes });

/** What follows when the frame is one of ours; otherwise it is refused. Ends by falling through to what comes after. */
function neighbourFrames(): Instruction[] {
  // Each of the two blocks knows its own length; `pass` is the distance from its last instruction to what follows.
  const block = (at: number, pass: number): Instruction[] => [
    load(LOAD_HALF, ETHERTYPE_AT + at),
    ifEqual(ARP, 7 + pass, 0),
    ifEqual(IPV6, 0, 5),
    load(LOAD_BYTE, ETHERTYPE_AT + at + 2 + 6),
    ifEqual(ICMPV6, 0, 3),
    load(LOAD_BYTE, ETHERTYPE_AT + at + 2 + 40),
    ifEqual(SOLICITATION, 2 + pass, 0),
    ifEqual(ADVERTISEMENT, 1 + pass, 0),
    answer(0),
  ];
  const tagged = block(TAG_BYTES, 0);
  const plain = block(0, tagged.length);
  return [
    load(LOAD_HALF, ETHERTYPE_AT),
    ifEqual(VLAN, plain.length + 1, 0),
    ifEqual(SERVICE_VLAN, plain.length, 0),
    ...plain,
    ...tagged,
  ];
}

/** Frames that tell of neighbours, whoever sent them, but for these addresses. */
export function othersFilter(own: readonly number[]): Uint8Array {
  return encode([...neighbourFrames(), ...compareSources(own, 0), answer(SNAP_BYTES)]);
}

/** Only those that bear one of these source addresses. */
export function ownFilter(own: readonly number[]): Uint8Array {
  return encode([...neighbourFrames(), ...compareSources(own, SNAP_BYTES), answer(0)]);
}

/** Answers at once for a frame whose source is one of the addresses; goes on otherwise. */
function compareSources(addresses: readonly number[], bytes: number): Instruction[] {
  return addresses
    .slice(0, ADDRESSES_MAX)
    .flatMap((mac) => [
      load(LOAD_WORD, 8),
      ifEqual(mac % 2 ** 32, 0, 3),
      load(LOAD_HALF, 6),
      ifEqual(Math.floor(mac / 2 ** 32), 0, 1),
      answer(bytes),
    ]);
}

/** struct sock_filter: u16 code, u8 jt, u8 jf, u32 k, in the machine's order (little endian on all that are supported). */
function encode(program: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(program.length * 8);
  const view = new DataView(bytes.buffer);
  for (const [i, { code, yes, no, value }] of program.entries()) {
    view.setUint16(i * 8, code, true);
    view.setUint8(i * 8 + 2, yes);
    view.setUint8(i * 8 + 3, no);
    view.setUint32(i * 8 + 4, value, true);
  }
  return bytes;
}
