/** What the guard guards besides memory. The words are those of the policy's tables, of `record --resource` and of the record. */
export const RESOURCES = ["cpu", "disk", "io", "net", "vm", "app"] as const;
export type Resource = (typeof RESOURCES)[number];

/** Figures by name, units last in the names; null is not known. */
export type Figures = Readonly<Record<string, number | null>>;

/**
 * A thing that rows of a table are about, by the kernel's own number for it: a mount by its id (proc_pid_mountinfo(5)),
 * a block device by major * 2^20 + minor, an interface by its ifindex, a virtual machine by a number of ours.
 * A number that is used again is announced again.
 */
export interface NamedThing {
  readonly number: number;
  /** Where it is mounted; the device's, interface's or domain's name. */
  readonly name: string;
  /** What else it is known by, such as a mount's type and source. */
  readonly about: Readonly<Record<string, string>>;
}
