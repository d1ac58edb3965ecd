import type { Lever } from "../../../core/levers/lever.ts";
import type { HostRoots } from "../../common/roots.ts";
import { CgroupHand } from "./cgroup.ts";
import { DomainHand, InterfaceHand } from "./command.ts";
import type { Hand } from "./hand.ts";
import { NiceHand, StopHand } from "./process.ts";

/** The hand for a lever. @param directory of the journals */
export function handOf(lever: Lever, { proc }: HostRoots, directory: string): Hand {
  switch (lever.kind) {
    case "cgroup":
      return new CgroupHand(proc, lever);
    case "nice":
    case "thread":
      return new NiceHand(proc, lever);
    case "stop":
      return new StopHand(proc, lever);
    case "shape":
    case "link":
      return new InterfaceHand(lever, directory);
    case "domain":
      return new DomainHand(lever);
  }
}
