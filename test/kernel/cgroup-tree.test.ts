/** The tree of cgroups against the kernel's own, while others make, remove and rename them. PLIMSOLL_SEED=N plays again. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { findCgroups, idlePatterns } from "../../src/workers/sampler/cgroups/find.ts";
import { type CgroupNode, CgroupTree } from "../../src/workers/sampler/cgroups/tree.ts";
import { CgroupNest } from "../support/cgroup-nest.ts";
import { memoryCgroups, need, root } from "../support/needs.ts";

const seed = process.env["PLIMSOLL_SEED"];
if (seed !== undefined) fc.configureGlobal({ seed: Number(seed) });

/** What the listener was told, checked as it comes: parents before children, and after them when they vanish. */
class Register {
  readonly known = new Map<CgroupNode, string>();

  readonly appeared = (node: CgroupNode): void => {
    expect(this.known.has(node)).toBe(false);
    if (node.parent !== null) expect(this.known.has(node.parent)).toBe(true);
    this.known.set(node, `${node.path} ${node.inode}`);
  };
  readonly stayed = (node: CgroupNode): void => {
    expect(this.known.has(node)).toBe(true);
  };
  readonly vanished = (node: CgroupNode): void => {
    expect([...this.known.keys()].filter(({ parent }) => parent === node)).toEqual([]);
    expect(this.known.delete(node)).toBe(true);
  };

  get all(): string[] {
    return [...this.known.values()].sort();
  }
}

type Step =
  | { readonly kind: "make" | "remove"; readonly at: number; readonly name: string }
  | { readonly kind: "rename"; readonly at: number; readonly name: string }
  | { readonly kind: "scan"; readonly visits: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    arbitrary: fc.record({
      kind: fc.constantFrom("make", "make", "make", "remove", "rename"),
      at: fc.nat(100),
      name: fc.constantFrom("a", "b", "c", "x@y.service", "d\\x2de"),
    }),
    weight: 5,
  },
  {
    arbitrary: fc.record({ kind: fc.constant("scan" as const), visits: fc.integer({ min: 1, max: 6 }) }),
    weight: 2,
  },
);

/** The cgroups that are there, by the test's own count: path below the nest and inode. */
class Kernel {
  readonly #nest: CgroupNest;
  readonly paths = [""];

  constructor(nest: CgroupNest) {
    this.#nest = nest;
  }

  do(change: Exclude<Step, { kind: "scan" }>): void {
    const of = this.paths[change.at % this.paths.length] as string;
    const leaf = of !== "" && !this.paths.some((each) => each.startsWith(`${of}/`));
    if (change.kind === "make") {
      const path = `${of}/${change.name}`;
      if (this.paths.includes(path) || of.split("/").length > 4) return;
      this.#nest.make(path);
      this.paths.push(path);
    } else if (change.kind === "remove" && leaf) {
      this.#nest.remove(of);
      this.paths.splice(this.paths.indexOf(of), 1);
    } else if (change.kind === "rename" && of !== "" && this.#nest.hierarchy.version === 1) {
      const to = `${of.slice(0, of.lastIndexOf("/"))}/${change.name}`;
      if (this.paths.includes(to)) return;
      this.#nest.rename(of, to);
      this.paths.forEach((each, i) => {
        if (each === of || each.startsWith(`${of}/`)) this.paths[i] = to + each.slice(of.length);
      });
    }
  }

  get all(): string[] {
    return this.paths.map((path) => `${this.#nest.path}${path} ${this.#nest.inode(path)}`).sort();
  }

  clear(): void {
    for (const path of this.paths.splice(1).sort().toReversed()) this.#nest.remove(path);
  }
}

test("whatever happens between and during scans, two scans later the tree is the kernel's", (context) => {
  need(context, root, memoryCgroups);
  const nest = new CgroupNest(context);
  let appeared = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 40 }), (steps) => {
      const kernel = new Kernel(nest);
      const register = new Register();
      const tree = new CgroupTree(nest.hierarchy, nest.path, register);
      tree.beginScan();
      tree.scan(() => true);
      expect(register.all).toEqual(kernel.all);
      for (const each of steps) {
        if (each.kind !== "scan") {
          kernel.do(each);
          continue;
        }
        if (!tree.scanning) tree.beginScan();
        let visits = each.visits;
        tree.scan(() => --visits > 0);
      }
      for (let scan = 0; scan < 2; scan++) {
        tree.beginScan();
        expect(tree.scan(() => true)).toBe(true);
      }
      expect(register.all).toEqual(kernel.all);
      expect(Array.from(tree.nodes(), (node) => register.known.get(node) ?? "unknown").sort()).toEqual(
        kernel.all,
      );
      appeared += kernel.paths.length - 1;
      tree.clear();
      expect(register.all).toEqual([]);
      kernel.clear();
    }),
    { numRuns: 150 },
  );
  expect(appeared).toBeGreaterThan(150);
});

test("one that was removed and made again at its path is another, with one scan", (context) => {
  need(context, root, memoryCgroups);
  const nest = new CgroupNest(context);
  nest.make("/a");
  nest.make("/a/b");
  const register = new Register();
  const tree = new CgroupTree(nest.hierarchy, nest.path, register);
  tree.beginScan();
  tree.scan(() => true);
  const before = new Set(register.all);
  nest.remove("/a/b");
  nest.make("/a/b");
  tree.beginScan();
  tree.scan(() => true);
  const other = register.all.filter((each) => !before.has(each));
  expect(other).toEqual([`${nest.path}/a/b ${nest.inode("/a/b")}`]);
  expect(register.all).toHaveLength(3);
});

test("a scope that is removed is empty, and there again when it is made again", async (context) => {
  need(context, root, memoryCgroups);
  const nest = new CgroupNest(context);
  nest.make("/scope");
  nest.make("/scope/in");
  const register = new Register();
  const tree = new CgroupTree(nest.hierarchy, `${nest.path}/scope`, register);
  const scan = (): string[] => {
    tree.beginScan();
    tree.scan(() => true);
    return register.all.map((each) => each.slice(nest.path.length).replace(/ \d+$/, ""));
  };
  expect(scan()).toEqual(["/scope", "/scope/in"]);
  nest.remove("/scope/in");
  nest.remove("/scope");
  expect(scan()).toEqual([]);
  expect(scan()).toEqual([]);
  nest.make("/scope");
  expect(scan()).toEqual(["/scope"]);
});

test("cgroups are found by patterns, what they lie in too, never the root", (context) => {
  need(context, root, memoryCgroups);
  const nest = new CgroupNest(context);
  for (const path of ["/a", "/a/b", "/a/b/c", "/d"]) nest.make(path);
  const found = findCgroups(nest.hierarchy, [`${nest.path}/*/b`]);
  expect(found).toEqual([
    { path: nest.path, inode: nest.inode(""), onlyAncestor: true },
    { path: `${nest.path}/a`, inode: nest.inode("/a"), onlyAncestor: true },
    { path: `${nest.path}/a/b`, inode: nest.inode("/a/b"), onlyAncestor: false },
  ]);
  const all = findCgroups(nest.hierarchy, ["/**"]).map(({ path }) => path);
  expect(all).toContain(`${nest.path}/a/b/c`);
  expect(all).not.toContain("");
  expect(findCgroups(nest.hierarchy, ["/**"], `${nest.path}/a`)).toHaveLength(3);
  expect(findCgroups(nest.hierarchy, ["/nobody/*"])).toEqual([]);
  expect(() => findCgroups(nest.hierarchy, ["nobody"])).toThrow(RangeError);
  expect(idlePatterns(["/**", "/nobody/*", "/nobody/*"], all)).toEqual(["/nobody/*"]);
});
