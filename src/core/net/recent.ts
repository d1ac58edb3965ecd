/**
 * What was heard lately, by a key of words, in bounded memory: a table of sets of eight, in which the one heard of
 * longest ago makes room. Nothing is allocated after the beginning. A flood of keys costs memories, not memory.
 */
const WAYS = 8;

export class RecentTable {
  /** Slots there are; each user keeps its own columns, indexed by slot. */
  readonly slots: number;
  /** When each was heard last, in ms; -Infinity: never. */
  readonly heardMs: Float64Array;
  readonly #keyWords: number;
  readonly #keys: Int32Array;
  readonly #setMask: number;
  #evicted = 0;

  /** @param sets a power of two; there is room for eight times as many */
  constructor(sets: number, keyWords: number) {
    if (sets < 1 || (sets & (sets - 1)) !== 0) throw new RangeError("expected a power of two of sets");
    this.slots = sets * WAYS;
    this.heardMs = new Float64Array(this.slots).fill(Number.NEGATIVE_INFINITY);
    this.#keyWords = keyWords;
    this.#keys = new Int32Array(this.slots * keyWords);
    this.#setMask = sets - 1;
  }

  /** How many made room before their time was over. */
  get evicted(): number {
    return this.#evicted;
  }

  /**
   * The key's slot, heard now. One that was heard of longer than `expiryMs` ago begins anew.
   * @returns the slot, or -1 - slot when it begins: its user's columns still hold another's
   */
  hear(key: Int32Array, nowMs: number, expiryMs: number): number {
    const first = this.#setOf(key) * WAYS;
    let oldest = first;
    for (let slot = first; slot < first + WAYS; slot++) {
      const heardMs = this.heardMs[slot] as number;
      if (heardMs !== Number.NEGATIVE_INFINITY && this.#holds(slot, key)) {
        this.heardMs[slot] = nowMs;
        return nowMs - heardMs > expiryMs ? -1 - slot : slot;
      }
      if (heardMs < (this.heardMs[oldest] as number)) oldest = slot;
    }
    if (nowMs - (this.heardMs[oldest] as number) <= expiryMs) this.#evicted++;
    for (let i = 0; i < this.#keyWords; i++) this.#keys[oldest * this.#keyWords + i] = key[i] as number;
    this.heardMs[oldest] = nowMs;
    return -1 - oldest;
  }

  /** The i-th word of a slot's key. */
  keyWord(slot: number, i: number): number {
    return this.#keys[slot * this.#keyWords + i] as number;
  }

  #holds(slot: number, key: Int32Array): boolean {
    for (let i = 0; i < this.#keyWords; i++) {
      if (this.#keys[slot * this.#keyWords + i] !== key[i]) return false;
    }
    return true;
  }

  #setOf(key: Int32Array): number {
    let hash = 0;
    for (let i = 0; i < this.#keyWords; i++) {
      hash = Math.imul(hash ^ (key[i] as number), 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    return hash & this.#setMask;
  }
}
