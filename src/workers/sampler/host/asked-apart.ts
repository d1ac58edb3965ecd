import { spawnSync, type StdioOptions } from "node:child_process";
import fs from "node:fs";
import { closeDescriptor } from "../../../native/descriptor.ts";
import { createPipe } from "../../../native/pipe.ts";
import { openPidfd, Signal } from "../../../native/pidfd.ts";
import { PollEvent, PollSet } from "../../../native/poll.ts";
import { signalGroup } from "../../common/process-group.ts";

/**
 * A shell that asks a mount each time it gets a line, and answers with one: block size, blocks, free, available, inodes,
 * free inodes (stat(1)); `-` when it could not. It ends with its input; its parent is gone at once, so that nobody has to
 * wait for it. In a group of its own with the stat(1) that may hang. What runs beside a shell has no input but by an
 * explicit word (sh(1), "Asynchronous Commands").
 */
const LOOP = `exec 4<&0; ( while read -r _; do stat -f -c '%S %b %f %a %c %d' -- "$0" 2>/dev/null || echo -; done ) <&4 3>&- 4<&- & echo $! >&3`;
const NEWLINE = Buffer.from("\n");
const START_LIMIT_MS = 5000;

/** How a mount answered: statfs(2). */
export interface SpaceAnswer {
  readonly totalBytes: number;
  readonly freeBytes: number;
  readonly availableBytes: number;
  /** 0: it makes them as it needs them. */
  readonly inodes: number;
  readonly freeInodes: number;
}

/** A mount that may hang, asked by a process of its own: at most one question is open, and nobody waits for the answer. */
export class AskedApart {
  readonly path: string;
  readonly #procRoot: string;
  readonly #questions: number;
  readonly #answers: number;
  readonly #pid: number;
  readonly #group: number;
  readonly #pidfd: number;
  readonly #poll = new PollSet(1);
  readonly #bytes = Buffer.alloc(512);
  #askedUs = Number.NaN;
  #ended = false;

  /** @throws Error when the process cannot be started */
  constructor(procRoot: string, path: string) {
    this.path = path;
    this.#procRoot = procRoot;
    const questions = createPipe();
    const answers = createPipe();
    const said = createPipe();
    const stdio: StdioOptions = [questions.readEnd, answers.writeEnd, "ignore", said.writeEnd];
    // Node's own word for setsid(2), which its types leave out of this call.
    const options = { stdio, cwd: "/", detached: true, timeout: START_LIMIT_MS };
    const started = spawnSync("/bin/sh", ["-c", LOOP, path], options);
    for (const end of [questions.readEnd, answers.writeEnd, said.writeEnd]) closeDescriptor(end);
    this.#questions = questions.writeEnd;
    this.#answers = answers.readEnd;
    const length = started.status === 0 ? fs.readSync(said.readEnd, this.#bytes, 0, 32, null) : 0;
    closeDescriptor(said.readEnd);
    this.#pid = Number(this.#bytes.toString("latin1", 0, length));
    this.#group = started.pid;
    const pidfd = this.#pid > 0 ? openPidfd(this.#pid) : -1;
    this.#pidfd = typeof pidfd === "number" ? pidfd : -1;
    this.#poll.set(0, this.#answers, PollEvent.in);
    if (this.#pidfd < 0) {
      this.close();
      throw new Error(
        `expected a shell that asks ${path}, found none: ${started.error?.message ?? started.status}`,
      );
    }
  }

  /** Since when the present question is open; NaN: none is. */
  get askedUs(): number {
    return this.#askedUs;
  }

  /** Takes in the answer, if it came: null is that there is none yet, `failed` that it could not be had. */
  take(): SpaceAnswer | "failed" | null {
    if (this.#ended) return "failed";
    if (Number.isNaN(this.#askedUs) || this.#poll.wait(0) === 0) return null;
    const length = fs.readSync(this.#answers, this.#bytes, 0, this.#bytes.length, null);
    // Its end: somebody has ended the shell.
    if (length === 0) this.#ended = true;
    else this.#askedUs = Number.NaN;
    return parseAnswer(this.#bytes.toString("latin1", 0, length)) ?? "failed";
  }

  /** Asks, unless a question is still open. */
  ask(nowUs: number): void {
    if (!Number.isNaN(this.#askedUs)) return;
    this.#askedUs = nowUs;
    try {
      fs.writeSync(this.#questions, NEWLINE);
    } catch {
      // It is gone: the question stays open, and the mount does not answer.
      this.#ended = true;
    }
  }

  /** Its process is gone, as after kill(1): another one is to be started. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Ends the process, hanging or not, as far as the kernel lets it. */
  close(): void {
    if (this.#pidfd >= 0) {
      const member = { pid: this.#pid, pidfd: this.#pidfd };
      signalGroup(this.#procRoot, this.#group, member, Signal.kill);
      closeDescriptor(this.#pidfd);
    }
    closeDescriptor(this.#questions);
    closeDescriptor(this.#answers);
  }
}

/** @returns null when the line is not an answer */
export function parseAnswer(text: string): SpaceAnswer | null {
  const match = /^(\d+) (\d+) (\d+) (\d+) (\d+) (\d+)\n$/.exec(text);
  if (match === null) return null;
  const [unit = 0, blocks = 0, free = 0, available = 0, inodes = 0, freeInodes = 0] = match
    .slice(1)
    .map(Number);
  return {
    totalBytes: blocks * unit,
    freeBytes: free * unit,
    availableBytes: available * unit,
    inodes,
    freeInodes,
  };
}
