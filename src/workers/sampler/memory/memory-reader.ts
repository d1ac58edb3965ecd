/** Something that can fill the columns of a memory sample from Mem.totalBytes on. NaN is absent. */
export interface MemoryReader {
  read(frame: Float64Array): void;
  close(): void;
}
