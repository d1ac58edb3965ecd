import { type ChildProcess, spawn } from "node:child_process";
import { answerLines, errorOf } from "../../core/parse/virsh.ts";

/** An answer of virsh. `error`: it says why not. `hung`: it did not answer in time. `ended`: it is not there. */
export type VirshAnswer =
  | { readonly ok: true; readonly lines: readonly string[] }
  | { readonly ok: false; readonly why: "error" | "hung" | "ended"; readonly text: string };

/** An answer longer than this is none. */
const ANSWER_CHARACTERS = 16 * 1024 * 1024;
/** After its end, what it said last is waited for so long. */
const LAST_WORDS_MS = 100;
/** Errors go where answers go, in their order. */
const COMMAND = 'exec virsh --quiet --connect "$1" 2>&1';

interface Waiting {
  readonly marker: string;
  readonly typed: readonly string[];
  readonly resolve: (answer: VirshAnswer) => void;
  readonly timer: NodeJS.Timeout;
}

/**
 * One virsh that is spoken to (virsh(1), interactive mode), started before it is needed: the connection stands, and nothing
 * has to be started when memory is short. What follows a command is read up to the echo of a word that nobody can guess.
 * It ends with the guard, as its input closes.
 */
export class Virsh {
  readonly #uri: string;
  readonly #nonce = Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
  #child: ChildProcess | null = null;
  #text = "";
  #count = 0;
  #waiting: Waiting | null = null;

  constructor(uri: string) {
    this.#uri = uri;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /**
   * Runs one command line and waits for its answer; starts virsh if there is none. One that does not answer in time is
   * killed. To be called again only when the last call has answered.
   * @param command without quotes and newlines: domains are named by UUID
   */
  run(command: string, limitMs: number): Promise<VirshAnswer> {
    if (this.#waiting !== null) throw new Error(`virsh is asked "${command}" before it has answered`);
    if (this.#child === null) this.#start();
    const count = ++this.#count;
    const marker = `plimsoll-${this.#nonce}-${count}.`;
    // What is typed is echoed: there the word must not stand as it is answered.
    const echo = `echo 'p'${marker.slice(1)}`;
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#kill();
        this.#answer({
          ok: false,
          why: "hung",
          text: `virsh has not answered "${command}" for ${limitMs} ms`,
        });
      }, limitMs);
      this.#waiting = { marker, typed: [command, echo], resolve, timer };
      this.#child?.stdin?.write(`${command}\n${echo}\n`);
    });
  }

  /** Ends it, at once. What libvirt was asked to do before goes on. */
  close(): void {
    this.#kill();
    this.#answer({ ok: false, why: "ended", text: "virsh was ended" });
  }

  #start(): void {
    const env = {
      ...process.env,
      LC_ALL: "C",
      // No control sequences among the answers, and nothing in the user's file of what was typed.
      TERM: "dumb",
      INPUTRC: "/dev/null",
      XDG_CACHE_HOME: "/dev/null",
    };
    // A group of its own: whoever stands for virsh in the path may have started others.
    const child = spawn("/bin/sh", ["-c", COMMAND, "sh", this.#uri], {
      env,
      cwd: "/",
      detached: true,
      stdio: ["pipe", "pipe", "ignore"],
    });
    this.#child = child;
    this.#text = "";
    child.stdin?.on("error", () => undefined);
    child.stdout?.setEncoding("utf8").on("data", (text: string) => this.#take(child, text));
    const ended = (text: string): void => {
      if (this.#child !== child) return;
      this.#child = null;
      const said = answerLines(this.#text, this.#waiting?.typed ?? []).slice(-5);
      const words = errorOf(said) ?? said.join("; ");
      this.#answer({ ok: false, why: "ended", text: words === "" ? text : words });
    };
    child.once("error", (error) => ended(`virsh cannot be started: ${error.message}`));
    child.once("close", (code) => ended(`virsh ended with ${code}`));
    child.once("exit", (code) => setTimeout(() => ended(`virsh ended with ${code}`), LAST_WORDS_MS).unref());
  }

  #take(child: ChildProcess, text: string): void {
    if (this.#child !== child) return;
    this.#text += text;
    const waiting = this.#waiting;
    if (waiting === null || this.#text.length > ANSWER_CHARACTERS) {
      this.#text = this.#text.slice(-80);
      if (waiting === null) return;
      this.#kill();
      this.#answer({ ok: false, why: "ended", text: "virsh said more than an answer can be" });
      return;
    }
    const from = Math.max(0, this.#text.length - text.length - waiting.marker.length);
    const at = this.#text.indexOf(waiting.marker, from);
    if (at < 0) return;
    const lines = answerLines(this.#text.slice(0, at), waiting.typed);
    this.#text = this.#text.slice(at + waiting.marker.length);
    const error = errorOf(lines);
    this.#answer(error === null ? { ok: true, lines } : { ok: false, why: "error", text: error });
  }

  #answer(answer: VirshAnswer): void {
    const waiting = this.#waiting;
    if (waiting === null) return;
    this.#waiting = null;
    clearTimeout(waiting.timer);
    waiting.resolve(answer);
  }

  #kill(): void {
    const child = this.#child;
    this.#child = null;
    // As long as its end has not been taken note of, its number is nobody else's.
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    try {
      process.kill(-child.pid, "SIGKILL");
    } catch {
      // It went by itself.
    }
  }
}
