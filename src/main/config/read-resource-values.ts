/** Single values of the tables of CPU, disk, I/O, network and virtual machines; see read-values.ts. */
import type { Amount } from "../../core/policy/policy.ts";
import type { Parsed } from "../../core/units.ts";
import { ok, readShare, wrong } from "./read-values.ts";

const COUNT_EXPECTED = 'a share such as "5%", or a whole number above 0';

/** A share of all there are, or how many: as an amount, whose `bytes` are a count then. */
export function readCountOrShare(value: unknown): Parsed<Amount> {
  if (typeof value === "string" && value.includes("%")) {
    const share = readShare(value);
    return share.ok ? ok({ share: share.value }) : share;
  }
  const right = typeof value === "number" && Number.isSafeInteger(value) && value > 0;
  return right ? ok({ bytes: value }) : wrong(COUNT_EXPECTED, value);
}

/** A reader of one of a few words. */
export function wordOf<W extends string>(...words: readonly W[]): (value: unknown) => Parsed<W> {
  return (value) => {
    const word = words.find((each) => each === value);
    const said = words.map((each) => JSON.stringify(each));
    return word === undefined ? wrong(`${said.slice(0, -1).join(", ")} or ${said.at(-1)}`, value) : ok(word);
  };
}

/** A level of memory, or false for none. */
export function readLevelOrFalse(value: unknown): Parsed<"warning" | "critical" | false> {
  if (value === false || value === "warning" || value === "critical") return ok(value);
  return wrong('"warning", "critical" or false', value);
}

/** PATH_MAX less the final zero (limits.h(0P)). */
const PATH_BYTES_MAX = 4095;
const PATH_PATTERN = /^(?:\/[^/\0\n]+)+$/;

/** A reader of absolute paths with wildcards; no `.` or `..`, no empty name. */
function pathPattern(expected: string, root: boolean): (value: unknown) => Parsed<string> {
  return (value) => {
    if (root && value === "/") return ok(value);
    const right = typeof value === "string" && PATH_PATTERN.test(value) && !/\/\.{1,2}(?:\/|$)/.test(value);
    if (!right) return wrong(expected, value);
    return Buffer.byteLength(value) <= PATH_BYTES_MAX
      ? ok(value)
      : wrong(`${expected}, of at most ${PATH_BYTES_MAX} bytes`, value);
  };
}

/** The files of a place, which may be removed. */
export const readPlace = pathPattern(
  'an absolute path with * and ? in names and ** for any directories, such as "/var/log/app/*.log"',
  false,
);
export const readMountPattern = pathPattern('where it is mounted, such as "/", "/srv" or "/mnt/**"', true);

/** The kernel's names of interfaces have at most 15 bytes (IFNAMSIZ, netdevice(7)), no slash and no space. */
const INTERFACE_BYTES_MAX = 15;

export function readInterfacePattern(value: unknown): Parsed<string> {
  const expected = `an interface's name with * and ?, such as "vxlan*" (at most ${INTERFACE_BYTES_MAX} bytes but for *)`;
  const right =
    typeof value === "string" &&
    /^[^\s/\0]+$/.test(value) &&
    Buffer.byteLength(value.replaceAll("*", "")) <= INTERFACE_BYTES_MAX;
  return right ? ok(value) : wrong(expected, value);
}

const NAME_CHARACTERS_MAX = 255;

/** A reader of names with `*` and `?`, of devices and domains. */
export function namePattern(what: string, example: string): (value: unknown) => Parsed<string> {
  return (value) => {
    const right =
      typeof value === "string" && /^[^\0\n]+$/.test(value) && value.length <= NAME_CHARACTERS_MAX;
    return right ? ok(value) : wrong(`${what} with * and ?, such as "${example}"`, value);
  };
}

const MAC_DIGITS = 12;

/** Six pairs of hexadecimal digits, of which `?` is any one and `*` any number; in small letters. */
export function readMacPattern(value: unknown): Parsed<string> {
  const text = typeof value === "string" ? value.toLowerCase() : "";
  const signs = text.replaceAll(/[*:]/g, "");
  const whole = /^(?:[0-9a-f?]{2}:){5}[0-9a-f?]{2}$/.test(text);
  const open = /^[0-9a-f?*:]+$/.test(text) && text.includes("*") && signs.length < MAC_DIGITS;
  return whole || open ? ok(text) : wrong('a MAC address with * and ?, such as "02:00:5e:*"', value);
}

/** A URI as `virsh --connect` takes it. */
export function readUri(value: unknown): Parsed<string> {
  const right =
    typeof value === "string" && /^[a-z][a-z0-9+.-]*:\/\/\S*$/i.test(value) && !value.includes("\0");
  return right ? ok(value) : wrong('a URI of libvirt such as "qemu:///system"', value);
}
