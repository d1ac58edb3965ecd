import type { IoPolicy } from "../policy/resources.ts";
import type { ResourceChange, ResourceReport, ResourceStatus } from "../resources/report.ts";
import type { NamedThing } from "../resources/resource.ts";
import type { IoAction } from "./action.ts";
import { Io } from "./columns.ts";
import { Device } from "./device.ts";
import { type CgroupLoad, type IoLook, isBelow, Looks } from "./looks.ts";
import { Throttles } from "./throttles.ts";

/** What decisions about I/O are made by, besides what is seen. */
export interface IoTerms {
  readonly policy: IoPolicy;
  readonly dryRun: boolean;
  /** By the policy's patterns. */
  readonly mayThrottle: (cgroup: string) => boolean;
  /** The guard's own cgroup; null: not known. */
  readonly ownCgroup: string | null;
  /** The device that the guard's audit log lies on; null: not known. */
  readonly ownDevice: number | null;
  /** A cgroup's figures and limits include those within it (v2). */
  readonly nested: boolean;
}

/** A level that stands on one device: how far its ladder is climbed. */
export interface Episode {
  /** Which rung is next. */
  rung: number;
  /** Since when that has been so; and it is not taken before `untilUs`. */
  sinceUs: number;
  untilUs: number;
  /** What has been said, so that it is said once. */
  readonly said: Set<string>;
  /** Whom to throttle has not helped, or has been refused. */
  readonly spared: Set<string>;
}

/** What the analysis of I/O remembers from step to step. */
export class IoState {
  readonly devices = new Map<number, Device>();
  readonly throttles = new Throttles();
  readonly episodes = new Map<number, Episode>();
  readonly #looks = new Map<number, Looks>();
  readonly #names = new Map<number, string>();
  readonly #changes: ResourceChange[] = [];
  readonly #lastActions = new Map<string, NonNullable<ResourceStatus["lastAction"]>>();
  readonly #idPrefix: string;
  #actions = 0;
  terms: IoTerms;
  /** The action whose report is waited for. */
  inFlight: IoAction | null = null;

  /** @param idPrefix of the ids of actions: unique over restarts */
  constructor(terms: IoTerms, idPrefix: string) {
    this.terms = terms;
    this.#idPrefix = idPrefix;
  }

  /** Other terms hold from now on. */
  adopt(terms: IoTerms): void {
    this.terms = terms;
    if (terms.policy.enabled) return;
    for (const number of this.devices.keys()) this.#remove(number);
  }

  names(appeared: readonly NamedThing[], gone: readonly number[]): void {
    for (const number of gone) {
      this.#names.delete(number);
      this.#remove(number);
    }
    for (const { number, name } of appeared) {
      this.#names.set(number, name);
      const device = this.devices.get(number);
      if (device !== undefined) device.name = name;
    }
  }

  /** Takes in a row of the ring. */
  row(frame: Float64Array): void {
    if (!this.terms.policy.enabled) return;
    const number = frame[Io.device] as number;
    let device = this.devices.get(number);
    if (device === undefined) {
      device = new Device(number);
      device.name = this.#names.get(number) ?? null;
      this.devices.set(number, device);
    }
    const change = device.sample(frame, this.terms.policy);
    if (change !== null) this.#change(device, change);
    if (!device.near) this.#looks.delete(number);
  }

  /** Devices of which is to be read who does what. */
  get near(): readonly Device[] {
    return [...this.devices.values()].filter(({ near }) => near);
  }

  /** Takes in what was read of a device. */
  look(device: Device, look: IoLook): void {
    let looks = this.#looks.get(device.number);
    if (looks === undefined) this.#looks.set(device.number, (looks = new Looks()));
    looks.add(look, device);
  }

  /** The loads of those who may be throttled, the heaviest first; null: not known yet. */
  loads(device: Device): readonly CgroupLoad[] | null {
    const { nested, mayThrottle } = this.terms;
    const loads = this.#looks.get(device.number)?.loads(nested) ?? null;
    return loads?.filter(({ path }) => mayThrottle(path) && !this.#isOwn(path)) ?? null;
  }

  /** The guard's own part of the load, where its log lies; NaN: elsewhere, or not known. */
  ownShare(device: Device): number {
    if (device.number !== this.terms.ownDevice) return Number.NaN;
    return this.#looks.get(device.number)?.ownShare() ?? Number.NaN;
  }

  /** What was seen before a change of limits says nothing of after it. */
  forgetLooks(device: number): void {
    this.#looks.delete(device);
  }

  takeChanges(): ResourceChange[] {
    return this.#changes.splice(0);
  }

  nextId(): string {
    return `${this.#idPrefix}-io-${++this.#actions}`;
  }

  note(report: ResourceReport): void {
    const { subject, verb, target, outcome, wallMs } = report;
    this.#lastActions.set(subject, { verb, target, outcome, wallMs });
  }

  status(): ResourceStatus[] {
    return [...this.devices.values()].flatMap((device): ResourceStatus[] => {
      if (device.name === null) return [];
      return [
        {
          resource: "io",
          subject: device.name,
          level: device.saturated ? "critical" : "none",
          numbers: device.rates.figures(),
          timeToExhaustionMs: null,
          lastAction: this.#lastActions.get(device.name) ?? null,
        },
      ];
    });
  }

  /** The guard's own cgroup, or one around it: who throttles that throttles the guard. */
  #isOwn(path: string): boolean {
    const { ownCgroup } = this.terms;
    return ownCgroup !== null && (path === ownCgroup || isBelow(ownCgroup, path));
  }

  #remove(number: number): void {
    const device = this.devices.get(number);
    this.devices.delete(number);
    this.#looks.delete(number);
    if (device?.saturated === true) this.#change(device, "ended");
  }

  #change(device: Device, change: "began" | "ended"): void {
    const { number, rates, atUs } = device;
    if (change === "ended") this.episodes.delete(number);
    else {
      const fresh = { said: new Set<string>(), spared: new Set<string>() };
      this.episodes.set(number, { rung: 0, sinceUs: atUs, untilUs: atUs, ...fresh });
    }
    const numbers = rates.figures();
    const subject = device.name ?? `device ${number}`;
    this.#changes.push({ resource: "io", subject, level: "critical", change, atUs, numbers });
  }
}
