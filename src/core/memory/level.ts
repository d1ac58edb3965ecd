/**
 * One level's state: whether its condition holds, since when, and whether it stands (has held for long enough).
 * Edge-triggered, with hysteresis: it ends only when its own end is reached, which lies beyond its beginning.
 */
export class Level {
  #sinceUs = Number.NaN;
  #stands = false;

  /**
   * @param begins the condition to begin (or go on beginning) holds now
   * @param ends the condition to end holds now
   * @param forUs how long `begins` must hold without a break
   * @returns whether the level began to stand, ended, or neither
   */
  update(timeUs: number, begins: boolean, ends: boolean, forUs: number): "began" | "ended" | null {
    if (this.#stands) {
      if (!ends) return null;
      this.#stands = false;
      this.#sinceUs = Number.NaN;
      return "ended";
    }
    if (!begins) {
      this.#sinceUs = Number.NaN;
      return null;
    }
    if (Number.isNaN(this.#sinceUs)) this.#sinceUs = timeUs;
    if (timeUs - this.#sinceUs < forUs) return null;
    this.#stands = true;
    return "began";
  }

  get stands(): boolean {
    return this.#stands;
  }

  /** When its condition began to hold, NaN when it does not. */
  get sinceUs(): number {
    return this.#sinceUs;
  }
}
