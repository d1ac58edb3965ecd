/** plimsoll export, as built: every format read back by a reader that is not ours, and what it does with bad input. */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { tableFromIPC } from "@uwdata/flechette";
import pl from "nodejs-polars";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TABLE_COLUMNS, type TableName } from "../../src/core/dataset/tables.ts";
import { openDataset } from "../../src/workers/common/dataset-reader.ts";
import { DatasetWriter } from "../../src/workers/dataset/dataset-writer.ts";
import { cgroup, plimsoll, recordDataset } from "../support/calibration-dataset.ts";
import { beginDataset, Producer, readRows, rowOf, segmentPaths } from "../support/dataset.ts";

const ROWS: Readonly<Record<TableName, number>> = {
  usage: 700,
  detail: 300,
  host: 90,
  cpu: 80,
  disk: 40,
  io: 120,
  net: 210,
  vm: 30,
  app: 20,
};
const FORMATS = ["arrow", "csv", "json", "parquet"] as const;
/** Of numbers 1 to 4: what CSV has to quote, what UTF-8 needs several bytes for, and one that nobody names (5). */
const PATHS = ["/plain.slice", '/a,b "c"', "/line\r\nend", "/größe 🚢"];
/** Of numbers 1 to 4 too: mounts, devices, interfaces, machines, processes. */
const NAMED: Partial<Readonly<Record<TableName, string>>> = {
  disk: "mount",
  io: "device",
  net: "interface",
  vm: "machine",
  app: "process",
};
const directory = fs.mkdtempSync(path.join(os.tmpdir(), "plimsoll-export-"));
const dataset = path.join(directory, "recorded");
const out = path.join(directory, "exported");

afterAll(() => fs.rmSync(directory, { recursive: true, force: true }));

beforeAll(() => {
  const producer = new Producer(64, 32);
  const writer = new DatasetWriter(beginDataset(dataset), producer.rings, { segmentBytes: 8192 });
  writer.takeCgroups({ type: "cgroups", appeared: PATHS.map((name, i) => cgroup(i + 1, name)), gone: [] }, 0);
  for (const resource of ["disk", "io", "net", "vm", "app"] as const) {
    const appeared = PATHS.map((name, i) => ({
      number: i + 1,
      name: `${resource} ${name}`,
      about: { of: "a" },
    }));
    writer.takeNames({ type: "names", resource, atUs: 1e9, appeared, gone: [] }, 0);
  }
  for (const [table, rows] of Object.entries(ROWS) as [TableName, number][]) {
    for (let i = 0; i < rows; i++) {
      producer.append(table, rowOf(table, i));
      if (i % 200 === 199) writer.flush(i * 1000, 0);
    }
  }
  expect(writer.finish(1e6, 0, new Date(1.7e12).toISOString())).toBeNull();
  const { code, stderr } = plimsoll("export", dataset, "--format", "csv", "--table", "all", "--out", out);
  expect([code, stderr]).toEqual([0, ""]);
  for (const format of ["arrow", "json", "parquet"])
    expect(plimsoll("export", dataset, "--format", format, "--table", "all", "--out", out).code).toBe(0);
});

function exported(table: TableName, format: string): string {
  return path.join(out, `recorded-${table}.${format}`);
}

type Row = Readonly<Record<string, unknown>>;

/** What a table's rows must be: the dataset's own, joined; the clock's anchor is at 1.7e12 ms and 1e9 µs. */
function expectedRows(table: TableName): Row[] {
  return readRows(openDataset(dataset), table).map((values) => {
    const own = Object.fromEntries(
      TABLE_COLUMNS[table].map(({ name }, i) => [
        name,
        Number.isNaN(values[i]) ? null : (values[i] as number),
      ]),
    );
    const timeMs = 1.7e12 + ((own["timeUs"] as number) - 1e9) / 1000;
    const named = NAMED[table];
    if (named !== undefined) {
      const name = PATHS[(own[named] ?? 0) - 1];
      return { time: timeMs, name: name === undefined ? null : `${table} ${name}`, ...own };
    }
    if (table === "host" || table === "cpu") return { time: timeMs, ...own };
    const number = own["cgroup"] ?? 0;
    const name = PATHS[number - 1] ?? null;
    return { time: timeMs, path: name, inode: name === null ? null : 1000 + number, ...own };
  });
}

/** Another reader's row with BigInts as numbers and times as milliseconds. */
function plain(row: Readonly<Record<string, unknown>>): Row {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [
      name,
      typeof value === "bigint" ? Number(value) : value instanceof Date ? value.getTime() : (value ?? null),
    ]),
  );
}

/** RFC 4180, character by character. */
function parseCsv(text: string): string[][] {
  const records: string[][] = [[]];
  let field = "";
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const character = text.charAt(i);
    if (quoted) {
      if (character !== '"') field += character;
      else if (text.charAt(i + 1) === '"') field += text.charAt(++i);
      else quoted = false;
    } else if (character === '"' && field === "") quoted = true;
    else if (character === "," || (character === "\r" && text.charAt(i + 1) === "\n")) {
      records.at(-1)?.push(field);
      field = "";
      if (character === "\r") {
        i++;
        records.push([]);
      }
    } else {
      expect(character).not.toMatch(/["\r\n]/);
      field += character;
    }
  }
  expect([field, quoted, records.pop()]).toEqual(["", false, []]);
  return records;
}

describe.each(Object.keys(ROWS) as TableName[])("table %s", (table) => {
  test("csv", () => {
    const [heading, ...records] = parseCsv(fs.readFileSync(exported(table, "csv"), "utf8"));
    const expected = expectedRows(table);
    expect(heading).toEqual(Object.keys(expected[0] as Row));
    const rows = records.map((fields) => {
      expect(fields.length).toBe(heading?.length);
      return Object.fromEntries(
        fields.map((field, i) => {
          const name = heading?.[i] as string;
          if (name === "time") {
            expect(field).toMatch(/^2023-11-14T22:13:\d\d\.\d{6}Z$/);
            return [name, Date.parse(field)];
          }
          return [name, field === "" ? null : name === "path" || name === "name" ? field : Number(field)];
        }),
      );
    });
    expect(rows).toEqual(expected);
  });

  test("json", () => {
    const lines = fs.readFileSync(exported(table, "json"), "utf8").split("\n");
    expect(lines.pop()).toBe("");
    const rows = lines.map((line) => {
      const { time, ...rest } = JSON.parse(line) as Row;
      return { time: Date.parse(time as string), ...rest };
    });
    expect(rows).toEqual(expectedRows(table));
  });

  test("arrow, by flechette and by polars", () => {
    const bytes = fs.readFileSync(exported(table, "arrow"));
    const expected = expectedRows(table);
    expect((tableFromIPC(bytes).toArray() as Row[]).map(plain)).toEqual(expected);
    expect((pl.readIPC(bytes).toRecords() as Row[]).map(plain)).toEqual(expected);
  });

  test("parquet, by polars", () => {
    const rows = pl.readParquet(exported(table, "parquet")).toRecords() as Row[];
    expect(rows.map(plain)).toEqual(expectedRows(table));
  });
});

test("the tables of resources are joined with names that occur", () => {
  for (const table of Object.keys(NAMED) as TableName[]) {
    const names = new Set(expectedRows(table).map(({ name }) => name));
    expect(names.size, table).toBeGreaterThan(2);
  }
});

test("microseconds and numbers past 2^32 are whole", () => {
  const text = fs.readFileSync(exported("usage", "csv"), "utf8");
  expect(text).toContain("2023-11-14T22:13:20.003000Z,");
  expect(text).toMatch(/,10995116\d{5}\r\n/);
});

describe("many datasets", () => {
  const copies = [1, 2, 3, 4].map((i) => path.join(directory, `day-${i}`, "recorded"));

  beforeAll(() => {
    for (const copy of copies) fs.cpSync(dataset, copy, { recursive: true });
  });

  test.each(FORMATS)("are exported side by side: %s", (format) => {
    const into = path.join(directory, `many-${format}`);
    const { code, stdout } = plimsoll("export", ...copies, "--format", format, "--out", into, "--progress");
    expect(code).toBe(0);
    const names = ["", "-2", "-3", "-4"].map((suffix) => `recorded${suffix}-usage.${format}`);
    expect(fs.readdirSync(into).sort()).toEqual(names.sort());
    expect(stdout.trim().split("\n").length).toBe(4);
    const whole = fs.readFileSync(exported("usage", format));
    for (const name of names) expect(fs.readFileSync(path.join(into, name)).equals(whole)).toBe(true);
  });
});

describe("bad input", () => {
  test("files that are there stay as they are, all of them, unless --force", () => {
    const into = path.join(directory, "there");
    fs.mkdirSync(into);
    fs.writeFileSync(path.join(into, "recorded-host.csv"), "mine");
    const args = ["export", dataset, "--format", "csv", "--table", "all", "--out", into];
    const { code, stderr } = plimsoll(...args);
    expect(code).toBe(1);
    expect(stderr).toContain("recorded-host.csv");
    expect(fs.readdirSync(into)).toEqual(["recorded-host.csv"]);
    expect(plimsoll(...args, "--force").code).toBe(0);
    expect(fs.readFileSync(path.join(into, "recorded-host.csv"))).toEqual(
      fs.readFileSync(exported("host", "csv")),
    );
  });

  test("a segment that is cut off is named, and the rest is exported", () => {
    const cut = path.join(directory, "cut");
    fs.cpSync(dataset, cut, { recursive: true });
    const last = segmentPaths(openDataset(cut), "usage").at(-1) as string;
    fs.truncateSync(last, fs.statSync(last).size - 50);
    const { code, stdout, stderr } = plimsoll("export", cut, "--format", "json", "--out", "-");
    expect(code).toBe(0);
    expect(stderr).toContain(`not read: ${last}: at byte `);
    const lines = stdout.trim().split("\n").length;
    expect(lines).toBeGreaterThan(ROWS.usage / 2);
    expect(lines).toBeLessThan(ROWS.usage);
  });

  test("a dataset without rows is a table without rows", () => {
    const empty = recordDataset(path.join(directory, "empty"), [cgroup(1, "/a")], []);
    for (const format of FORMATS)
      expect(plimsoll("export", empty, "--format", format, "--out", directory).code).toBe(0);
    expect(fs.readFileSync(path.join(directory, "empty-usage.csv"), "utf8")).toBe(
      "time,path,inode,timeUs,cgroup,usageBytes\r\n",
    );
    expect(fs.readFileSync(path.join(directory, "empty-usage.json"), "utf8")).toBe("");
    expect(tableFromIPC(fs.readFileSync(path.join(directory, "empty-usage.arrow"))).numRows).toBe(0);
    const parquet = pl.readParquet(path.join(directory, "empty-usage.parquet"));
    expect([parquet.height, parquet.columns]).toEqual([
      0,
      ["time", "path", "inode", "timeUs", "cgroup", "usageBytes"],
    ]);
  });

  test("rows of cgroups that nobody names have neither path nor inode", () => {
    const unnamed = path.join(directory, "unnamed");
    recordDataset(unnamed, [], [{ timeUs: 1e9, cgroup: 1, usageBytes: 4096 }]);
    const row = { path: null, inode: null, timeUs: 1e9, cgroup: 1, usageBytes: 4096 };
    for (const format of ["arrow", "parquet"])
      expect(plimsoll("export", unnamed, "--format", format, "--out", directory).code).toBe(0);
    const arrow = pl.readIPC(fs.readFileSync(path.join(directory, "unnamed-usage.arrow")));
    const parquet = pl.readParquet(path.join(directory, "unnamed-usage.parquet"));
    for (const frame of [arrow, parquet])
      expect((frame.toRecords() as Row[]).map(plain)).toMatchObject([row]);
  });

  test("a directory that cannot be made is a fault that says so, and nothing half-written stays", () => {
    const file = path.join(directory, "file");
    fs.writeFileSync(file, "");
    const { code, stderr } = plimsoll(
      "export",
      dataset,
      "--format",
      "csv",
      "--out",
      path.join(file, "below"),
    );
    expect(code).toBe(1);
    expect(stderr).toContain(`${path.join(file, "below")}: expected to write it, found: `);
    const into = path.join(directory, "blocked");
    fs.mkdirSync(path.join(into, "recorded-usage.csv.part"), { recursive: true });
    const blocked = plimsoll("export", dataset, "--format", "csv", "--out", into);
    expect(blocked.code).toBe(1);
    expect(blocked.stderr).toContain("recorded-usage.csv: expected to write it, found: EISDIR");
    expect(fs.existsSync(path.join(into, "recorded-usage.csv"))).toBe(false);
    const taken = path.join(directory, "taken");
    fs.mkdirSync(path.join(taken, "recorded-usage.csv"), { recursive: true });
    const renamed = plimsoll("export", dataset, "--format", "csv", "--out", taken, "--force");
    expect(renamed.code).toBe(1);
    expect(renamed.stderr).toContain("recorded-usage.csv: expected to write it, found: EISDIR");
    expect(fs.readdirSync(taken)).toEqual(["recorded-usage.csv"]);
  });

  test("what is no dataset is named and makes the exit code 1; the others are exported", () => {
    const into = path.join(directory, "others");
    const { code, stderr } = plimsoll("export", directory, dataset, "--format", "csv", "--out", into);
    expect(code).toBe(1);
    expect(stderr).toContain(`${directory}: expected a dataset`);
    expect(fs.readdirSync(into)).toEqual(["recorded-usage.csv"]);
    expect(plimsoll("export", directory, "--format", "csv", "--out", into).code).toBe(1);
  });

  test.each([
    [[dataset]],
    [[dataset, "--format", "xls"]],
    [[dataset, "--format", "csv", "--table", "none"]],
    [[dataset, dataset, "--format", "csv", "--out", "-"]],
    [["--format", "csv"]],
  ])("usage: %j", (args) => {
    const { code, stderr } = plimsoll("export", ...args);
    expect(code).toBe(2);
    expect(stderr).not.toBe("");
  });

  test("--help tells of the formats and the exit codes", () => {
    const { code, stdout } = plimsoll("export", "--help");
    expect(code).toBe(0);
    for (const word of [...FORMATS, "RFC 4180", "Exit codes", "Examples"]) expect(stdout).toContain(word);
  });
});
