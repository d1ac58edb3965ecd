/** virsh's words, right ones and any others. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  answerLines,
  errorOf,
  parseDomainInfo,
  parseDomainList,
  parseDomainStats,
} from "../../src/core/parse/virsh.ts";
import { formatHibernated, parseHibernated } from "../../src/core/vm/hibernated.ts";
import { fuzzSettings } from "../support/fuzz.ts";

const uuid = fc.uuid();
/** As libvirt takes them: anything but a newline; blanks at the end cannot be told from a column's. */
const name = fc
  .string({ unit: "grapheme", minLength: 1, maxLength: 60 })
  .filter((text) => !/[\n\r\0]/.test(text) && text.trim() === text && text !== "");
const garbage = fc.oneof(
  fc.string({ unit: "binary", maxLength: 300 }),
  fc
    .array(
      fc.constantFrom(
        "Domain: '",
        "'",
        "\n",
        "\r",
        "virsh # ",
        "error: ",
        "  state.state=",
        "State:",
        "9".repeat(30),
        "=",
        " KiB",
        "-",
      ),
      { maxLength: 40 },
    )
    .map((parts) => parts.join("")),
);

describe("what virsh says", () => {
  test("a list gives back every name, whatever it looks like", () => {
    const domains = fc.uniqueArray(fc.tuple(uuid, name), { selector: ([id]) => id, maxLength: 20 });
    fc.assert(
      fc.property(domains, (all) => {
        const text = all.map(([id, called]) => `${id} ${called}`).join("\n");
        const found = parseDomainList(answerLines(`virsh # list\n${text}\nvirsh # `, ["list"]));
        expect(found).toEqual(all.map(([id, called]) => ({ uuid: id, name: called })));
      }),
      fuzzSettings(),
    );
  });

  test("statistics are of the domain whose name stands above them, quotes in it or not", () => {
    const KiB = fc.integer({ min: 0, max: 2 ** 40 });
    const domains = fc.uniqueArray(fc.tuple(name, KiB, KiB), {
      selector: ([called]) => called,
      maxLength: 10,
    });
    fc.assert(
      fc.property(domains, (all) => {
        const text = all
          .map(
            ([called, current, rss]) =>
              `Domain: '${called}'\n  state.state=1\n  cpu.time=5000\n  balloon.current=${current}\n  balloon.rss=${rss}\n  vcpu.current=2\n`,
          )
          .join("\n");
        const found = parseDomainStats(answerLines(text, []));
        expect([...found]).toEqual(
          all.map(([called, current, rss]) => [
            called,
            { state: 1, memoryBytes: current * 1024, residentBytes: rss * 1024, cpuUs: 5, processors: 2 },
          ]),
        );
      }),
      fuzzSettings(),
    );
  });

  test("anything else gives no figure that is none, and never throws", () => {
    fc.assert(
      fc.property(garbage, (text) => {
        const lines = answerLines(text, ["list"]);
        const figures = [...parseDomainStats(lines).values(), parseDomainInfo(lines)];
        for (const each of figures) {
          for (const value of Object.values(each)) {
            if (typeof value === "number") expect(Number.isSafeInteger(value) && value >= 0).toBe(true);
          }
        }
        for (const { uuid: id, name: called } of parseDomainList(lines)) {
          expect(id).toMatch(/^[0-9a-f-]{36}$/);
          expect(called).not.toContain("\n");
        }
        expect(errorOf(lines) === null || lines.some((line) => line.startsWith("error: "))).toBe(true);
      }),
      fuzzSettings(),
    );
  });

  test("as the test driver of libvirt 9.0 says it: echoes, prompts and errors", () => {
    const said =
      "dominfo small\nId:             -\nName:           small\nState:          shut off\nCPU(s):         1\nCPU time:       1795187175.8s\n" +
      "Max memory:     262144 KiB\nUsed memory:    131072 KiB\nManaged save:   yes\nSecurity DOI:   \nvirsh # echo 'p'x\n";
    const lines = answerLines(said, ["dominfo small", "echo 'p'x"]);
    expect(lines[0]).toBe("Id:             -");
    expect(lines.at(-1)).toMatch(/^Security DOI/);
    expect(parseDomainInfo(lines)).toEqual({
      state: 5,
      memoryBytes: 128 * 1024 * 1024,
      residentBytes: null,
      cpuUs: 1_795_187_175_800_000,
      processors: 1,
      managedSave: true,
    });
    const refused =
      "\nerror: Failed to suspend domain 'mid'\nerror: internal error: domain 'mid' not running\n";
    expect(errorOf(answerLines(refused, []))).toBe(
      "Failed to suspend domain 'mid'; internal error: domain 'mid' not running",
    );
    expect(
      answerLines("\rManagedsave: [ 50 %]\rManagedsave: [100 %]virsh # echo 'p'x\n", ["echo 'p'x"]),
    ).toEqual(["Managedsave: [100 %]virsh # echo 'p'x"]);
  });
});

describe("the list of those that were hibernated", () => {
  test("is read as it was written, and a line that was cut off is none", () => {
    const domain = fc.record({
      uri: fc.constantFrom("qemu:///system", "test:///tmp/x.xml"),
      uuid,
      heldBytes: fc.option(fc.integer({ min: 0, max: 2 ** 50 })),
    });
    const domains = fc.uniqueArray(domain, { selector: ({ uri, uuid: id }) => uri + id });
    fc.assert(
      fc.property(domains, fc.nat(), (all, cut) => {
        const text = formatHibernated(all);
        expect(parseHibernated(text)).toEqual(all);
        const part = text.slice(0, cut % (text.length + 1));
        expect(all.slice(0, parseHibernated(part).length)).toEqual(parseHibernated(part));
      }),
      fuzzSettings(),
    );
  });
});
