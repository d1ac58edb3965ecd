import { ExitCode, Fault } from "../../core/fault.ts";
import type { Dataset } from "../../workers/common/dataset-reader.ts";
import { type CalibrateOptions, calibrate, type Calibration } from "./calibrate.ts";
import { openDatasets } from "./datasets.ts";
import { withBatchPool } from "./pool.ts";
import { ProgressLine, rowsText, tellLosses, tellRefused } from "./tell.ts";

/**
 * Calibrates what a user named, and tells on stderr what could not be read.
 * @throws Fault when there is nothing that can be read
 */
export async function calibrationOf(
  directories: readonly string[],
  options: Pick<CalibrateOptions, "full" | "each">,
): Promise<Calibration & { readonly datasets: readonly Dataset[] }> {
  const opened = openDatasets(directories);
  tellRefused(opened);
  const { datasets } = opened;
  const line = new ProgressLine();
  const onProgress = (what: string, rows: number): void => line.say(`${what}: ${rowsText(rows)}`);
  let calibration: Calibration;
  try {
    calibration = await withBatchPool((pool) => calibrate(pool, datasets, { ...options, onProgress }));
  } catch (error) {
    if (error instanceof RangeError)
      throw new Fault(ExitCode.fault, `${error.message}; calibrate less at once`);
    throw error;
  } finally {
    line.clear();
  }
  tellLosses(calibration.losses);
  tellSilent(calibration.withoutSamples);
  if (calibration.rows === 0 && (calibration.losses.length > 0 || datasets.length === 0))
    throw new Fault(ExitCode.fault, "expected samples to calibrate from, found none that can be read");
  return { ...calibration, datasets };
}

function tellSilent(paths: readonly string[]): void {
  const [first] = paths;
  if (first === undefined) return;
  const others = paths.length > 1 ? ` and ${paths.length - 1} other cgroups` : "";
  process.stderr.write(`plimsoll: no sample of ${first}${others}: left out\n`);
}
