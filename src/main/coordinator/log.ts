/** What the guard says of itself, on stderr: lines for people on a terminal, JSON lines for machines. */
export interface Log {
  info(text: string): void;
  warn(text: string): void;
  error(text: string): void;
}

const WORDS = { info: "", warn: "warning: ", error: "error: " } as const;

/** @param json JSON lines (for a log collector) instead of text */
export async function openLog(json: boolean): Promise<Log> {
  if (json) {
    // Loaded only when asked for: it is memory that a guard with a terminal need not have.
    const { pino } = await import("pino");
    const logger = pino({ base: { name: "plimsoll" } }, pino.destination({ dest: 2, sync: true }));
    return {
      info: (text) => logger.info(text),
      warn: (text) => logger.warn(text),
      error: (text) => logger.error(text),
    };
  }
  // On a terminal the live line stands where this one is to go; it is written again below.
  const overLiveLine = process.stderr.isTTY ? "\r\x1b[K" : "";
  const write = (severity: keyof typeof WORDS, text: string): void => {
    process.stderr.write(`${overLiveLine}${new Date().toISOString()} ${WORDS[severity]}${text}\n`);
  };
  return {
    info: (text) => write("info", text),
    warn: (text) => write("warn", text),
    error: (text) => write("error", text),
  };
}
