/** /proc/self/mountinfo with names as bad as they come, whole and cut off. PLIMSOLL_SEED=N plays a run again. */
import fs from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { guardedMounts } from "../../src/core/disk/mounts.ts";
import { parseMountinfo } from "../../src/core/parse/mountinfo.ts";
import { parseAnswer } from "../../src/workers/sampler/host/asked-apart.ts";
import { fuzzSettings } from "../support/fuzz.ts";

/** As the kernel writes names (fs/seq_file.c, mangle_path). */
function mangled(name: string): string {
  return name.replace(/[ \t\n\\#]/g, (sign) => `\\${sign.charCodeAt(0).toString(8).padStart(3, "0")}`);
}

const name = fc
  .string({
    unit: fc.oneof(
      fc.constantFrom(" ", "\\", "\n", "\t", "#", "-", "\\040", "é", "a", "0"),
      fc.string({ minLength: 1, maxLength: 1 }),
    ),
    maxLength: 12,
  })
  .filter((text) => !text.includes("\0"));
const id = fc.nat(2 ** 31 - 1);
const mount = fc.record({
  id,
  parent: id,
  device: fc.tuple(fc.nat(4095), fc.nat(1_048_575)).map(([major, minor]) => `${major}:${minor}`),
  root: name.map((text) => `/${text}`),
  path: name.map((text) => `/${text}`),
  optional: fc.array(fc.constantFrom("shared:1", "master:22", "propagate_from:3", "unbindable"), {
    maxLength: 3,
  }),
  type: fc.constantFrom("ext4", "fuse.sshfs", "nfs4", "tmpfs"),
  source: name,
});

function lineOf(each: typeof mount extends fc.Arbitrary<infer T> ? T : never): string {
  const { id, parent, device, root, path, optional, type, source } = each;
  const fields = [
    id,
    parent,
    device,
    mangled(root),
    mangled(path),
    "rw,noatime",
    ...optional,
    "-",
    type,
    mangled(source),
    "rw",
  ];
  return `${fields.join(" ")}\n`;
}

const parse = (text: Buffer) => parseMountinfo(text, text.length);

describe("mountinfo", () => {
  test("every name comes back as it was", () => {
    fc.assert(
      fc.property(fc.array(mount, { maxLength: 6 }), (mounts) => {
        const found = parse(Buffer.from(mounts.map(lineOf).join("")));
        expect(
          found.map(({ id, path, root, source, type, device }) => ({ id, path, root, source, type, device })),
        ).toEqual(
          mounts.map(({ id, path, root, source, type, device }) => ({
            id,
            path,
            root,
            source,
            type,
            device,
          })),
        );
      }),
      fuzzSettings(),
    );
  });

  test("cut off anywhere: whole lines, and nothing of the one that is not", () => {
    const text = fs.readFileSync("/proc/self/mountinfo");
    const whole = parse(text);
    expect(whole.length).toBe(text.toString("latin1").split("\n").length - 1);
    fc.assert(
      fc.property(fc.nat(text.length), (length) => {
        const lines = text.subarray(0, length).toString("latin1").split("\n").length - 1;
        expect(parseMountinfo(text, length)).toEqual(whole.slice(0, lines));
      }),
      fuzzSettings(),
    );
  });

  test("any bytes: nothing is thrown, and the choice among what is read ends", () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 300 }).map((each) => Buffer.from(each)),
      fc
        .array(mount, { maxLength: 8 })
        .map((mounts) => Buffer.from(mounts.map(lineOf).join("").replaceAll("-", ""))),
      fc
        .array(
          mount.map((each) => ({ ...each, id: each.id % 4, parent: each.parent % 4 })),
          { maxLength: 8 },
        )
        .map((mounts) => Buffer.from(mounts.map(lineOf).join(""))),
    );
    fc.assert(
      fc.property(bytes, (text) => {
        const mounts = parse(text);
        const { local, apart } = guardedMounts(mounts, new Set(["ext4"]), new Set([1]));
        expect(local.length + apart.length).toBeLessThanOrEqual(mounts.length);
      }),
      fuzzSettings(),
    );
  });

  test("an answer of stat(1) is whole numbers or none", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const answer = parseAnswer(text);
        if (answer !== null) expect(text).toMatch(/^(\d+ ){5}\d+\n$/);
      }),
      fuzzSettings(),
    );
    expect(parseAnswer("4096 10 5 4 7 6\n")).toEqual({
      totalBytes: 40960,
      freeBytes: 20480,
      availableBytes: 16384,
      inodes: 7,
      freeInodes: 6,
    });
    expect(parseAnswer("-\n")).toBeNull();
  });
});
