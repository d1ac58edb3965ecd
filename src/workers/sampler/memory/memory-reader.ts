/** Something that can fill the columns of a memory sample from Mem.totalBytes on. NaN is absent. */
export interface MemoryReader {
  /**
   * @param withCounters false leaves absent what costs most and is only needed now and then: /proc/vmstat, for which
   * the kernel adds up every counter of every processor
   */
  read(frame: Float64Array, withCounters?: boolean): void;
  close(): void;
}
