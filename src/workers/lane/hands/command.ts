import { type DomainLever, type InterfaceLever, SHAPE_HANDLE } from "../../../core/levers/lever.ts";
import { restoreForgotten } from "../../net/forgotten-files.ts";
import { type Ran, runProgram } from "../run-program.ts";
import { found, type Found, type Hand, type PutBack } from "./hand.ts";

/** A command that takes longer is ended: what it should put back waits. */
const LIMIT_MS = 10_000;

const run = (program: string, args: readonly string[]): Promise<Ran> => runProgram(program, args, LIMIT_MS);

/** The present name of an interface, which is its index; null when it is gone. */
async function nameOf(ifindex: number): Promise<string | null> {
  const { ok, output, error } = await run("ip", ["-o", "link", "show"]);
  if (!ok) throw new Error(error);
  // `2: eth0: <…`, `5: veth0@if4: <…`
  for (const line of output.split("\n")) {
    const match = /^(\d+): ([^\s:@]+)/.exec(line);
    if (match !== null && Number(match[1]) === ifindex) return match[2] as string;
  }
  return null;
}

/** An interface's root qdisc, or that it is down: what is imposed is its lane's to say, what is put back is said here. */
export class InterfaceHand implements Hand {
  readonly #lever: InterfaceLever;
  readonly #directory: string;

  /** @param directory where it is kept what the kernel forgets of an interface that is down */
  constructor(lever: InterfaceLever, directory: string) {
    this.#lever = lever;
    this.#directory = directory;
  }

  look(): Found {
    return found(null);
  }

  apply(): string {
    return "its owner has not said how it is done";
  }

  parts(): readonly [] {
    return [];
  }

  async putBack(): Promise<PutBack> {
    try {
      const name = await nameOf(this.#lever.ifindex);
      if (name === null) return { end: "gone", text: "is gone" };
      return this.#lever.kind === "link" ? await this.#linkUp(name) : await unshape(name);
    } catch (error) {
      return { end: "waits", text: (error as Error).message };
    }
  }

  async #linkUp(name: string): Promise<PutBack> {
    const { ok, error } = await run("ip", ["link", "set", "dev", name, "up"]);
    if (!ok) return { end: "waits", text: error };
    const lacking = restoreForgotten(this.#directory, this.#lever.ifindex);
    return { end: "done", text: lacking === null ? "up again" : `up again, but ${lacking}` };
  }
}

/** By its handle: the kernel deletes no other one (net/sched/sch_api.c, tc_get_qdisc). */
async function unshape(name: string): Promise<PutBack> {
  const { ok, error } = await run("tc", ["qdisc", "del", "dev", name, "root", "handle", SHAPE_HANDLE]);
  if (ok) return { end: "done", text: "not shaped any more" };
  const { ok: shown, output } = await run("tc", ["qdisc", "show", "dev", name]);
  if (!shown) return { end: "waits", text: error };
  const root = /^qdisc (\S+) (\S+) root/m.exec(output);
  if (root?.[2] === SHAPE_HANDLE) return { end: "waits", text: error };
  if (root === null || root[2] === "0:") return { end: "done", text: "not shaped" };
  return { end: "left", text: `has a root qdisc ${root[1]} ${root[2]}, which is not the guard's: left so` };
}

/** A suspended libvirt domain. */
export class DomainHand implements Hand {
  readonly #lever: DomainLever;

  constructor(lever: DomainLever) {
    this.#lever = lever;
  }

  look(): Found {
    return found(null);
  }

  apply(): string {
    return "its owner has not said how it is done";
  }

  parts(): readonly [] {
    return [];
  }

  async putBack(): Promise<PutBack> {
    const state = await this.#virsh("domstate");
    if (!state.ok) {
      const isGone = /failed to get domain|Domain not found/i.test(state.error);
      return isGone ? { end: "gone", text: "is gone" } : { end: "waits", text: state.error };
    }
    const word = state.output.trim();
    if (word !== "paused") return { end: word === "running" ? "done" : "left", text: `is ${word}: left so` };
    const resumed = await this.#virsh("resume");
    return resumed.ok ? { end: "done", text: "goes on" } : { end: "waits", text: resumed.error };
  }

  #virsh(command: "domstate" | "resume"): Promise<Ran> {
    const { uri, domain } = this.#lever;
    return run("virsh", ["--connect", uri, command, "--domain", domain]);
  }
}
