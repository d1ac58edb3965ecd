import type { Column } from "../ring/layout.ts";
import { columnsOf } from "../samples.ts";

/** What is sampled of interfaces: one row each a tick; counters since it began (/proc/net/dev, proc_pid_net(5)). */
export const Net = {
  timeUs: 0,
  /** The interface's ifindex. */
  interface: 1,
  receivedBytes: 2,
  receivedPackets: 3,
  receiveErrors: 4,
  receiveDrops: 5,
  sentBytes: 6,
  sentPackets: 7,
  sendErrors: 8,
  sendDrops: 9,
} as const;
export const NET_COLUMNS: readonly Column[] = columnsOf(Net, { interface: "int32" });
