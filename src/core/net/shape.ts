/** How a token bucket has to be so that a rate is really reached, and no queue grows without end. */

/** Ethernet's header, two VLAN tags and the checksum. */
const FRAME_BYTES = 26;
/** The bucket holds what is sent in this time: whoever refills it later than that loses rate. */
const BURST_MS = 10;
/** What waits does so for this long at most, beside the delay that is asked for. */
const QUEUE_MS = 100;
const PACKETS_MIN = 32;
const PACKETS_MAX = 20_000;
const MS_PER_S = 1000;

/** A bucket smaller than a packet would never let one through; and two packets, so that one may wait while one goes. */
export function burstBytes(bytesPerSecond: number, mtuBytes: number): number {
  return Math.ceil(Math.max((bytesPerSecond * BURST_MS) / MS_PER_S, 2 * (mtuBytes + FRAME_BYTES)));
}

/** How many packets may wait: those of the delay, and of the queue. */
export function queuePackets(bytesPerSecond: number, delayMs: number, mtuBytes: number): number {
  const bytes = (bytesPerSecond * (delayMs + QUEUE_MS)) / MS_PER_S;
  return Math.min(PACKETS_MAX, Math.max(PACKETS_MIN, Math.ceil(bytes / mtuBytes)));
}
