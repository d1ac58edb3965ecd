const FIRST_ROOM = 1024;

/** Numbers that become more: in one piece of memory, so that millions of them cost 8 bytes each. */
export class Growing {
  #room = new Float64Array(FIRST_ROOM);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(value: number): void {
    if (this.#length === this.#room.length) {
      const larger = new Float64Array(this.#room.length * 2);
      larger.set(this.#room);
      this.#room = larger;
    }
    this.#room[this.#length++] = value;
  }

  /** What is there now; valid until the next {@link push}. */
  view(): Float64Array {
    return this.#room.subarray(0, this.#length);
  }

  /** NaN when there is none. */
  get last(): number {
    return this.#length === 0 ? Number.NaN : (this.#room[this.#length - 1] as number);
  }
}
