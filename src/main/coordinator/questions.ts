/** A worker answers within a turn of its loop. */
const ANSWER_LIMIT_MS = 1500;

/** Questions to a worker whose answers come as messages. */
export class Questions<T> {
  readonly #waiting = new Map<number, (answer: T) => void>();
  #count = 0;

  /**
   * @param send puts the question, with its number
   * @throws Error when no answer comes in time
   */
  async ask(send: (id: number) => void): Promise<T> {
    const id = ++this.#count;
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<T>((resolve, reject) => {
        this.#waiting.set(id, resolve);
        const error = new Error(`expected an answer within ${ANSWER_LIMIT_MS} ms, found none; ask again`);
        timer = setTimeout(() => reject(error), ANSWER_LIMIT_MS);
        send(id);
      });
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(id);
    }
  }

  /** An answer that nobody waits for any more is let go. */
  answer(id: number, answer: T): void {
    this.#waiting.get(id)?.(answer);
  }
}
