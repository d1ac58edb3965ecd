import fs from "node:fs";
import { createRequire } from "node:module";
import { type RecordBatch, RecordBatchStreamWriter } from "apache-arrow";
import {
  Compression,
  initSync,
  Table,
  transformParquetStream,
  type WriterProperties,
  WriterPropertiesBuilder,
} from "parquet-wasm/esm";
import type { Batch } from "../common/dataset-reader.ts";
import { ArrowRows } from "./arrow-rows.ts";
import type { Encode } from "./export-rows.ts";

// The package's build for Node is a CommonJS file that its package.json declares to be a module: it cannot be loaded.
const WASM = createRequire(import.meta.url).resolve("parquet-wasm/esm/parquet_wasm_bg.wasm");

/** A row group is held in memory until it is full: of the widest table, this many rows are some 30 MiB. */
const ROWS_PER_GROUP = 131_072;

/** Parquet, compressed with Snappy. */
export const encodeParquet: Encode = async (batches, shape, output) => {
  initSync({ module: fs.readFileSync(WASM) });
  const rows = new ArrowRows(shape, "plain");
  const source = sourceOf(batches, rows);
  const parquet = await transformParquetStream(source, writerProperties());
  for await (const chunk of parquet as AsyncIterable<Uint8Array>) output.write(chunk);
};

function writerProperties(): WriterProperties {
  return new WriterPropertiesBuilder()
    .setCompression(Compression.SNAPPY)
    .setMaxRowGroupSize(ROWS_PER_GROUP)
    .setCreatedBy("plimsoll")
    .build();
}

/** Batches in the writer's own memory, each made when it is asked for. */
function sourceOf(batches: Iterable<Batch>, rows: ArrowRows): ReadableStream {
  const iterator = batches[Symbol.iterator]();
  let begun = false;
  return new ReadableStream(
    {
      pull(controller) {
        // The writer takes its schema from the first batch, so there must be one.
        const next = begun ? iterator.next() : { done: false as const, value: null };
        begun = true;
        if (next.done === true) controller.close();
        else controller.enqueue(intoWasm(next.value === null ? rows.empty() : rows.batch(next.value)));
      },
    },
    { highWaterMark: 0 },
  );
}

function intoWasm(batch: RecordBatch): unknown {
  const bytes = RecordBatchStreamWriter.writeAll([batch]).toUint8Array(true);
  const table = Table.fromIPCStream(bytes);
  try {
    return table.recordBatch(0);
  } finally {
    table.free();
  }
}
