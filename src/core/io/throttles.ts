import type { IoPolicy } from "../policy/resources.ts";
import type { BlockDevice, IoLimits } from "./action.ts";

const US_PER_MS = 1000;
/** Doubling ends here: 2^10 minutes are 17 hours. */
const DOUBLINGS_MAX = 10;

/** A cgroup that does no more than it is let on one device. */
export interface Throttle {
  readonly cgroup: string;
  readonly device: BlockDevice;
  limits: IoLimits;
  /** Since when it has stood as it is. */
  sinceUs: number;
  /** Tests of a release that failed. */
  failedTests: number;
  /** The limit is away, and what comes of it is being measured. */
  testing: boolean;
  /** It could not be taken away, and is not tried again before. */
  notBeforeUs: number;
}

/** Who is throttled, and when each is tested. */
export class Throttles {
  readonly #throttles = new Map<string, Throttle>();
  /** How often those that were let go had to be throttled again; forgotten when they have behaved for long enough. */
  readonly #past = new Map<string, { failedTests: number; untilUs: number }>();

  get all(): readonly Throttle[] {
    return [...this.#throttles.values()];
  }

  get(cgroup: string, device: number): Throttle | null {
    return this.#throttles.get(keyOf(cgroup, device)) ?? null;
  }

  /** It is imposed, or imposed anew. */
  imposed(cgroup: string, device: BlockDevice, limits: IoLimits, nowUs: number): void {
    const key = keyOf(cgroup, device.number);
    const known = this.#throttles.get(key);
    if (known === undefined) {
      const past = this.#past.get(key);
      const failedTests = past !== undefined && nowUs < past.untilUs ? past.failedTests + 1 : 0;
      const fresh = { sinceUs: nowUs, failedTests, testing: false, notBeforeUs: 0 };
      this.#throttles.set(key, { cgroup, device, limits, ...fresh });
    } else {
      if (known.testing) known.failedTests++;
      Object.assign(known, { limits, sinceUs: nowUs, testing: false });
    }
    this.#past.delete(key);
  }

  /** It has passed its test. */
  letGo(throttle: Throttle, nowUs: number, policy: IoPolicy): void {
    const key = keyOf(throttle.cgroup, throttle.device.number);
    this.#throttles.delete(key);
    const untilUs = nowUs + waitUs(throttle.failedTests, policy);
    this.#past.set(key, { failedTests: throttle.failedTests, untilUs });
    for (const [each, past] of this.#past) if (past.untilUs <= nowUs) this.#past.delete(each);
  }

  forget(throttle: Throttle): void {
    this.#throttles.delete(keyOf(throttle.cgroup, throttle.device.number));
  }
}

/** Whether its limit is to be taken away for a test now. */
export function isTestDue(throttle: Throttle, nowUs: number, policy: IoPolicy): boolean {
  const dueUs = Math.max(throttle.sinceUs + waitUs(throttle.failedTests, policy), throttle.notBeforeUs);
  return !throttle.testing && nowUs >= dueUs;
}

/** A test of a release comes after releaseMs x 2^n, n of them having failed. */
function waitUs(failedTests: number, { releaseMs }: IoPolicy): number {
  return releaseMs * US_PER_MS * 2 ** Math.min(failedTests, DOUBLINGS_MAX);
}

function keyOf(cgroup: string, device: number): string {
  return `${device} ${cgroup}`;
}
