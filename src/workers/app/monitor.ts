import { App } from "../../core/app/columns.ts";
import { dateLine, monitorLines } from "../../core/app/monitor-lines.ts";
import type { ApplicationPolicy } from "../../core/policy/applications.ts";
import { LocalZone } from "./local-zone.ts";
import { MonitorLog } from "./monitor-log.ts";

/**
 * Writes the lines of the NSO measurement tool, by the lines of the policy's first application: the tool knows only one.
 * Those that say that all is well are written too, as its verbose mode does: who reads them acts on them.
 */
export class Monitor {
  readonly #log: MonitorLog;
  readonly #zone = new LocalZone();

  /** @param tell as of {@link MonitorLog} */
  constructor(path: string, tell: (problem: string | null, lostLines: number) => void) {
    this.#log = new MonitorLog(path, tell);
  }

  /** @param row has the host's figures of this look */
  write(application: ApplicationPolicy, row: Float64Array, wallMs: number): void {
    const { offsetMinutes, zone } = this.#zone.at(wallMs);
    const figures = {
      totalBytes: known(row, App.totalBytes),
      freeBytes: known(row, App.freeBytes),
      availableBytes: known(row, App.availableBytes),
      committedBytes: known(row, App.committedBytes),
      commitLimitBytes: known(row, App.commitLimitBytes),
    };
    const { physical, allocated } = application;
    this.#log.write(monitorLines(dateLine(wallMs, offsetMinutes, zone), figures, physical, allocated));
  }

  close(): void {
    this.#log.close();
  }
}

function known(row: Float64Array, column: number): number | null {
  const value = row[column] as number;
  return Number.isNaN(value) ? null : value;
}
