import fs from "node:fs";
import path from "node:path";
import type { MemoryHierarchy } from "../../common/cgroup-path.ts";
import type { FollowedCgroup } from "./followed.ts";

/** Links of a directory on kernfs: itself, its name, and one of each directory in it. */
const OWN_LINKS = 2;

/** A cgroup that is known of, and what following has noted on it. */
export class CgroupNode {
  /** Below the hierarchy's root; the root's own is empty. */
  readonly path: string;
  readonly directory: string;
  readonly inode: number;
  readonly parent: CgroupNode | null;
  readonly children = new Map<string, CgroupNode>();
  matches = false;
  fast = false;
  /** How many below it match, and how many of those are looked at often. */
  matchesBelow = 0;
  fastBelow = 0;
  followed: FollowedCgroup | null = null;

  constructor(where: { path: string; directory: string; inode: number }, parent: CgroupNode | null) {
    this.path = where.path;
    this.directory = where.directory;
    this.inode = where.inode;
    this.parent = parent;
  }
}

export interface TreeListener {
  /** After its parent. */
  readonly appeared: (node: CgroupNode) => void;
  /** Found where it was before. */
  readonly stayed: (node: CgroupNode) => void;
  /** Before its parent. */
  readonly vanished: (node: CgroupNode) => void;
}

interface Facts {
  readonly inode: number;
  readonly links: number;
}

/**
 * All cgroups from one on down, by their inodes. A cgroup that was removed and made again at its path is another: the
 * kernel gives each an inode number of its own, for ever. One that was renamed (which v1 allows) is another too, as
 * whatever was decided about it was decided by its path.
 *
 * A directory is listed only when its count of links says that it has other children than those that are known.
 */
export class CgroupTree {
  readonly #listener: TreeListener;
  readonly #top: { readonly path: string; readonly directory: string };
  #root: CgroupNode | null = null;
  readonly #pending: CgroupNode[] = [];

  /** @param scope `host`, or the path of the cgroup at the top */
  constructor(hierarchy: MemoryHierarchy, scope: string, listener: TreeListener) {
    const names = scope === "host" ? [] : scope.split("/").filter((name) => name !== "");
    this.#top = {
      path: names.map((name) => `/${name}`).join(""),
      directory: path.join(hierarchy.root, ...names),
    };
    this.#listener = listener;
  }

  /** Every cgroup that is known, parents first. */
  *nodes(): Generator<CgroupNode> {
    const open = this.#root === null ? [] : [this.#root];
    for (let node = open.pop(); node !== undefined; node = open.pop()) {
      yield node;
      for (const child of node.children.values()) open.push(child);
    }
  }

  get scanning(): boolean {
    return this.#pending.length > 0;
  }

  /** Begins to look at everything. */
  beginScan(): void {
    this.#pending.length = 0;
    if (this.#root === null) {
      const facts = look(this.#top.directory);
      if (facts !== null) this.#add(null, "", facts);
    } else {
      this.#pending.push(this.#root);
    }
  }

  /** Goes on looking for as long as `goOn` says so. @returns whether there is nothing more to look at */
  scan(goOn: () => boolean): boolean {
    for (let node = this.#pending.pop(); node !== undefined; node = this.#pending.pop()) {
      this.#visit(node);
      if (!goOn()) break;
    }
    return !this.scanning;
  }

  /** Forgets everything, as if it had vanished. */
  clear(): void {
    this.#pending.length = 0;
    if (this.#root !== null) this.#remove(this.#root);
  }

  #visit(node: CgroupNode): void {
    if (!this.#knows(node)) return;
    const facts = look(node.directory);
    if (facts === null || facts.inode !== node.inode) {
      const { parent } = node;
      this.#remove(node);
      if (facts !== null) this.#add(parent, path.basename(node.directory), facts);
      else if (parent !== null) this.#list(parent, false);
      return;
    }
    this.#listener.stayed(node);
    if (facts.links !== OWN_LINKS + node.children.size) return this.#list(node, true);
    for (const child of node.children.values()) this.#pending.push(child);
  }

  /** It may have gone with its parent while it waited for its turn. */
  #knows(node: CgroupNode): boolean {
    return node.parent === null ? node === this.#root : node.parent.children.get(nameOf(node)) === node;
  }

  /** Compares the children with what the directory lists. @param visit whether those known before are to be visited */
  #list(node: CgroupNode, visit: boolean): void {
    const names = subdirectories(node.directory);
    if (names === null) return;
    for (const [name, child] of node.children) {
      if (!names.has(name)) this.#remove(child);
      else if (visit) this.#pending.push(child);
    }
    for (const name of names) {
      if (node.children.has(name)) continue;
      const facts = look(path.join(node.directory, name));
      if (facts !== null) this.#add(node, name, facts);
    }
  }

  #add(parent: CgroupNode | null, name: string, { inode, links }: Facts): void {
    const where =
      parent === null
        ? { ...this.#top, inode }
        : { path: `${parent.path}/${name}`, directory: path.join(parent.directory, name), inode };
    const node = new CgroupNode(where, parent);
    if (parent === null) this.#root = node;
    else parent.children.set(name, node);
    this.#listener.appeared(node);
    if (links !== OWN_LINKS) this.#pending.push(node);
  }

  #remove(node: CgroupNode): void {
    const order = [node];
    for (const each of order) for (const child of each.children.values()) order.push(child);
    for (const each of order.reverse()) {
      this.#listener.vanished(each);
      if (each.parent === null) this.#root = null;
      else each.parent.children.delete(nameOf(each));
    }
  }
}

function nameOf(node: CgroupNode): string {
  return path.basename(node.directory);
}

/** Null: it is not there, or may not be looked at. */
function look(directory: string): Facts | null {
  try {
    const stats = fs.statSync(directory, { throwIfNoEntry: false });
    return stats === undefined ? null : { inode: stats.ino, links: stats.nlink };
  } catch {
    return null;
  }
}

/** Null: it cannot be listed, so nothing is known to have changed. */
function subdirectories(directory: string): ReadonlySet<string> | null {
  try {
    const entries = fs.readdirSync(directory, { withFileTypes: true });
    return new Set(entries.filter((entry) => entry.isDirectory()).map(({ name }) => name));
  } catch {
    return null;
  }
}
