/** Command lines of processes, and patterns that are held against them. */

const END = 0;

/**
 * Programs that bear others' command lines, or names of their files, as arguments: who searches for a process, or reads
 * a file about it, is none of its kind.
 */
const READERS: ReadonlySet<string> = new Set(
  [
    "grep egrep fgrep zgrep rg ag awk gawk mawk sed pgrep pkill pidof ps top htop watch killall",
    "tail head cat tac tee less more most view vi vim nvim nano emacs ed file stat ls find xargs diff md5sum sha256sum",
  ]
    .join(" ")
    .split(" "),
);

/**
 * The arguments out of the first `length` bytes of /proc/PID/cmdline (proc_pid_cmdline(5)): each ended by a 0. What is
 * no UTF-8 is replaced. Empty for a kernel thread, a zombie, or a process that is just being executed.
 */
export function argumentsOf(bytes: Uint8Array, length: number): readonly string[] {
  let end = length;
  // Who has written a title over its arguments leaves 0s behind it.
  while (end > 0 && bytes[end - 1] === END) end--;
  return end === 0 ? [] : new TextDecoder().decode(bytes.subarray(0, end)).split("\0");
}

/** A regular expression that says which processes belong together, by their own arguments joined by blanks. */
export class CommandPattern {
  readonly #pattern: RegExp;

  /** @param source as readSearchPattern takes it; flags s and u. @throws SyntaxError when it is none */
  constructor(source: string) {
    this.#pattern = new RegExp(source, "gsu");
  }

  /**
   * Whether it is found in the command line, and not only spoken of there: in one argument with blanks (the text that a
   * shell or an interpreter was given), or in an argument of a program that searches or reads.
   */
  matches(argv: readonly string[]): boolean {
    if (argv.length === 0) return false;
    for (const match of argv.join(" ").matchAll(this.#pattern)) {
      if (!isMention(argv, match.index, match.index + match[0].length)) return true;
    }
    return false;
  }
}

/** @param from where in the joined arguments the match begins. @param to where it ends, exclusive */
function isMention(argv: readonly string[], from: number, to: number): boolean {
  const program = argv[0] as string;
  // By its own name it is meant, also where a title with blanks has been written over it.
  if (from < program.length) return false;
  if (READERS.has(baseName(program))) return true;
  let begin = 0;
  for (const argument of argv) {
    const end = begin + argument.length;
    if (from >= begin && to <= end) return /\s/.test(argument);
    begin = end + 1;
  }
  return false;
}

function baseName(program: string): string {
  return program.slice(program.lastIndexOf("/") + 1);
}

/** Whether `outer` only starts what `inner` is, as sudo, timeout or an init of a container do: it ends with its arguments. */
export function isWrapperOf(outer: readonly string[], inner: readonly string[]): boolean {
  const more = outer.length - inner.length;
  if (more <= 0 || inner.length === 0) return false;
  const program = baseName(inner[0] as string);
  // The wrapper may have looked for it in the PATH.
  if (baseName(outer[more] as string) !== program) return false;
  return inner.every((argument, i) => i === 0 || outer[more + i] === argument);
}
