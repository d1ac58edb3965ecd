import {
  Field,
  Float64,
  makeData,
  RecordBatch,
  RecordBatchFileWriter,
  Schema,
  Struct,
  Utf8,
  vectorFromArray,
} from "apache-arrow";
import { calibrationTable, type StatisticsSet } from "./calibration-form.ts";

const TEXTS = new Set(["dataset", "cgroup", "first_time", "last_time", "inodes"]);

/** The table of a calibration in Arrow's IPC file format; figures are float64, in which bytes are exact. */
export function calibrationArrow(sets: readonly StatisticsSet[], full: boolean): Uint8Array {
  const { names, rows } = calibrationTable(sets, full);
  const fields = names.map((name) => new Field(name, TEXTS.has(name) ? new Utf8() : new Float64(), true));
  const children = fields.map(({ type }, i) => {
    const cells = rows.map((row) => row[i] ?? null);
    const [data] = vectorFromArray(cells, type).data;
    return data ?? makeData({ type, length: 0 } as never);
  });
  const schema = new Schema(fields);
  const data = makeData({ type: new Struct(fields), length: rows.length, nullCount: 0, children });
  return RecordBatchFileWriter.writeAll([new RecordBatch(schema, data)]).toUint8Array(true);
}
