import { RecordBatchFileWriter, type Schema } from "apache-arrow";
import { ArrowRows } from "./arrow-rows.ts";
import type { Encode } from "./export-rows.ts";
import type { Output } from "./output.ts";

/** Arrow's IPC file format (".arrow", also known as Feather v2), a record batch each. */
export const encodeArrow: Encode = (batches, shape, output) => {
  const rows = new ArrowRows(shape, "dictionary");
  const writer = new SynchronousFileWriter(rows.schema, output);
  // Also of a table without rows: the dictionary goes out with the first batch.
  writer.write(rows.empty());
  for (const batch of batches) writer.write(rows.batch(batch));
  writer.close();
};

/** Writes while it encodes: batches are views of memory that is used again for the next one. */
class SynchronousFileWriter extends RecordBatchFileWriter {
  readonly #output: Output;

  constructor(schema: Schema, output: Output) {
    super();
    this.#output = output;
    this.reset(undefined, schema);
  }

  protected override _write(chunk: Uint8Array | Int32Array): this {
    if (chunk.byteLength > 0) {
      this.#output.write(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
      this._position += chunk.byteLength;
    }
    return this;
  }
}
