import { spawnSync } from "node:child_process";
import { othersFilter } from "../../core/net/filter.ts";
import { PacketSocket } from "../../native/packet.ts";
import { Capability, effectiveCapabilities, holds } from "../../workers/common/capabilities.ts";
import { LinkWatch } from "../../workers/net/link-watch.ts";
import { Reach } from "../../workers/net/reach.ts";
import { type Check, codeOf, good, limited, missing, type Subject } from "./check.ts";

/** Loopback is the first in every network namespace (net/core/dev.c). */
const LOOPBACK = 1;
const BUFFER_BYTES = 4096;
const ANSWER_MS = 5000;

/** What guarding the network needs: tried where that changes nothing. */
export function networkChecks({ roots }: Subject): Check[] {
  const held = effectiveCapabilities(roots.proc);
  return [listenCheck(), downCheck(held), squeezeCheck(), reachCheck(roots.proc)];
}

/** Opens the socket that duplicates are heard by, on loopback, and closes it. */
function listenCheck(): Check {
  const name = "ARP and neighbour discovery";
  const filter = Buffer.from(othersFilter([]));
  const socket = PacketSocket.open(LOOPBACK, filter, { sent: false, bufferBytes: BUFFER_BYTES });
  if (socket instanceof PacketSocket) {
    socket.close();
    return good(name, "can be heard (AF_PACKET)", "duplicate MAC addresses are noticed");
  }
  const means = "duplicate MAC addresses are not noticed";
  return missing(name, socket.code, means, "run as root, or give the service CAP_NET_RAW");
}

function downCheck(held: bigint): Check {
  const name = "interfaces down";
  if (holds(held, Capability.netAdmin)) {
    return good(name, "CAP_NET_ADMIN", "an interface can be squeezed and put down");
  }
  const means = "no interface can be squeezed or put down; duplicates are told of";
  return missing(name, "no CAP_NET_ADMIN", means, "run as root, or give the service CAP_NET_ADMIN");
}

function squeezeCheck(): Check {
  const name = "tc";
  const asked = spawnSync("tc", ["-V"], { encoding: "utf8", timeout: ANSWER_MS, killSignal: "SIGKILL" });
  if (asked.status === 0) return good(name, asked.stdout.trim(), "interfaces can be squeezed");
  const found = asked.error === undefined ? asked.stderr.trim() : codeOf(asked.error);
  const means = "no interface is squeezed before it is put down";
  return missing(name, found, means, "install iproute2, if [net.rates] is to count");
}

/** By which interfaces this host is reached. */
function reachCheck(procRoot: string): Check {
  const name = "interfaces kept up";
  let links: LinkWatch;
  try {
    links = new LinkWatch();
  } catch (error) {
    const means = "no interface is guarded: the kernel does not tell which there are";
    return missing(
      name,
      (error as Error).message,
      means,
      "let this service open netlink sockets (AF_NETLINK)",
    );
  }
  const reach = new Reach(procRoot);
  reach.refresh(0);
  const all = [...links.topology.links.values()];
  const kept = all.flatMap(({ number, name: link }) => {
    const why = reach.why(links.topology, number, 0);
    return why === null ? [] : [`${link} (${why.replace("it carries ", "")})`];
  });
  links.close();
  if (kept.length > 0) return good(name, kept.join(", "), "never put down unless named in full");
  const means =
    "none is known to carry the default route or a session: any that the policy names may be put down";
  return limited(name, `none of ${all.length}`, means, "name under net.never what this host is reached by");
}
