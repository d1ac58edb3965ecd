import fs from "node:fs";

/** What the helper said of one command. */
export interface HelperReply {
  readonly tag: string;
  readonly exitCode: number;
}

/** What coreutils' timeout(1) answers when it had to end the command. */
export const TIMED_OUT = 124;

/**
 * Talks to the helper: a shell that was started before any crisis and starts commands when told. One line there starts
 * one command in the background; when it ends, one line comes back.
 */
export class HelperTalk {
  readonly #input: number;
  readonly #output: number;
  readonly #buffer = Buffer.allocUnsafeSlow(4096);
  #rest = "";

  /** @param input where to write lines, @param output where replies come from; -1 when there is no helper */
  constructor(input: number, output: number) {
    this.#input = input;
    this.#output = output;
  }

  get exists(): boolean {
    return this.#input >= 0;
  }

  get replyDescriptor(): number {
    return this.#output;
  }

  /**
   * Starts `command` by `sh -c`, with the variables set and its priority for the OOM killer that of any process.
   * It is ended (SIGTERM, a second later SIGKILL) at its deadline, with whatever it started in its process group.
   * @param tag no white space; stands in the reply
   */
  start(tag: string, command: string, variables: Readonly<Record<string, string>>, deadlineMs: number): void {
    const assignments = Object.entries(variables).map(([name, value]) => quote(`${name}=${value}`));
    const line = [
      "( echo 0 >/proc/self/oom_score_adj;",
      `timeout -k 1 ${deadlineMs / 1000} env ${assignments.join(" ")} sh -c ${quote(command)} </dev/null >&2;`,
      `echo ${quote(tag)} $? ) &`,
    ].join(" ");
    fs.writeSync(this.#input, `${line}\n`);
  }

  /** The replies that have come; to be called when the reply descriptor is readable. */
  replies(): HelperReply[] {
    const length = fs.readSync(this.#output, this.#buffer, 0, this.#buffer.length, null);
    const lines = (this.#rest + this.#buffer.toString("utf8", 0, length)).split("\n");
    this.#rest = lines.pop() ?? "";
    return lines.flatMap((line) => {
      const match = /^(\S+) (\d+)$/.exec(line);
      return match ? [{ tag: match[1] as string, exitCode: Number(match[2]) }] : [];
    });
  }
}

/** As one word of a shell's line. A newline would end the line for the helper's `read`: printf puts it in there. */
function quote(text: string): string {
  if (!text.includes("\n")) return quoteLine(text);
  // First for printf, then for the shell: the other way round, a quote in the text would end the word.
  return `"$(printf %b ${quoteLine(text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n"))})"`;
}

function quoteLine(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
