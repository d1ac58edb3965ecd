import { libc } from "./libc.ts";

const SC_CLK_TCK = 2;
const SC_PAGESIZE = 30;

/** The kernel's number of the calling thread: gettid(2). */
export function threadId(): number {
  return libc.gettid([]).value;
}

/** Units in which /proc counts, sysconf(3): ticks a second and bytes a page. */
export function systemUnits(): { readonly ticksPerSecond: number; readonly pageBytes: number } {
  return { ticksPerSecond: libc.sysconf([SC_CLK_TCK]).value, pageBytes: libc.sysconf([SC_PAGESIZE]).value };
}
