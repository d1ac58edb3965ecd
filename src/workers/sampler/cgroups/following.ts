import type { CgroupIdentity } from "../../../core/cgroups/columns.ts";
import { compilePatterns } from "../../../core/cgroups/pattern.ts";
import type { CgroupNode, TreeListener } from "./tree.ts";
import type { FollowedCgroup } from "./followed.ts";
import { CgroupList } from "./list.ts";

/** Which cgroups are followed, and which of them are looked at often. */
export interface Wanted {
  readonly watch: readonly string[];
  readonly fast: readonly string[];
}

/** What following has to have done for it. */
export interface FollowingHooks {
  /** Opens a cgroup under a new number; null when it is no memory cgroup or gone already. */
  readonly open: (node: CgroupNode, onlyAncestor: boolean) => FollowedCgroup | null;
  readonly close: (cgroup: FollowedCgroup) => void;
}

/** What has changed since it was last told. */
export interface Changes {
  readonly appeared: readonly CgroupIdentity[];
  readonly gone: readonly number[];
}

/**
 * Who is followed: the cgroups that match, and as their ancestors those that they lie in, whose limits hold for them
 * too. The root has no limit and is not followed. Who was followed as an ancestor stays so when the last that matched is
 * gone: the next may come at once, and what is known of the ancestor is not to be learned anew each time.
 */
export class Following implements TreeListener {
  readonly #hooks: FollowingHooks;
  #matches: (path: string) => boolean;
  #isFast: (path: string) => boolean;
  #all: FollowedCgroup[] = [];
  #slow = new CgroupList([]);
  #fast = new CgroupList([]);
  #fresh: FollowedCgroup[] = [];
  #appeared: CgroupIdentity[] = [];
  #gone: number[] = [];
  /** Some in the lists are gone, or missing, or in the wrong one. */
  #untidy = false;

  constructor(wanted: Wanted, hooks: FollowingHooks) {
    this.#hooks = hooks;
    this.#isFast = compilePatterns(wanted.fast);
    this.#matches = compilePatterns([...wanted.watch, ...wanted.fast]);
  }

  /** Those at the usual rate, and those that are looked at often: as of the last {@link tidy}. */
  get slow(): CgroupList {
    return this.#slow;
  }

  get fast(): CgroupList {
    return this.#fast;
  }

  /** Everybody, those among them that have just gone too. */
  get all(): readonly FollowedCgroup[] {
    return this.#all;
  }

  readonly appeared = (node: CgroupNode): void => {
    this.#judge(node);
    if (node.matches) this.#countAbove(node, 1);
    this.#refresh(node);
  };

  /** What is no memory cgroup may become one: by cgroup.subtree_control of the one it lies in (cgroup v2). */
  readonly stayed = (node: CgroupNode): void => {
    if (node.followed === null) this.#refresh(node);
  };

  readonly vanished = (node: CgroupNode): void => {
    if (node.matches) this.#countAbove(node, -1);
    this.#unfollow(node);
  };

  /** Follows others from now on. @param nodes all that are known, parents first */
  want(wanted: Wanted, nodes: readonly CgroupNode[]): void {
    this.#isFast = compilePatterns(wanted.fast);
    this.#matches = compilePatterns([...wanted.watch, ...wanted.fast]);
    for (const node of nodes) {
      this.#judge(node);
      node.matchesBelow = 0;
      node.fastBelow = 0;
    }
    for (const node of nodes) {
      for (let above = node.parent; node.matches && above !== null; above = above.parent) {
        above.matchesBelow++;
        if (node.fast) above.fastBelow++;
      }
    }
    for (const node of nodes) {
      if (this.#isWanted(node)) this.#refresh(node);
      else this.#unfollow(node);
    }
    this.tidy();
  }

  /** Lets go of those whose files said that they are gone. @param nodes as for {@link want} */
  dropGone(nodes: Iterable<CgroupNode>): void {
    for (const node of nodes) if (node.followed?.gone === true) this.#unfollow(node);
    this.tidy();
  }

  /** Brings the lists up to date. Not while they are being read. */
  tidy(): void {
    if (!this.#untidy) return;
    this.#untidy = false;
    this.#all = this.#all.filter((cgroup) => !cgroup.gone);
    this.#slow = new CgroupList(this.#all.filter((cgroup) => !cgroup.fast));
    this.#fast = new CgroupList(this.#all.filter((cgroup) => cgroup.fast));
  }

  /** Those that have not been looked at yet; asked once each. */
  takeFresh(): CgroupList {
    const fresh = this.#fresh.filter((cgroup) => !cgroup.gone);
    this.#fresh = [];
    return new CgroupList(fresh);
  }

  /** What is to be told; null when nothing has changed. */
  takeChanges(): Changes | null {
    if (this.#appeared.length === 0 && this.#gone.length === 0) return null;
    const changes = { appeared: this.#appeared, gone: this.#gone };
    this.#appeared = [];
    this.#gone = [];
    return changes;
  }

  /** Everybody as if just appeared, for who does not know yet. */
  everything(): Changes {
    const gone = this.#gone;
    this.#appeared = [];
    this.#gone = [];
    return { appeared: this.#all.filter((cgroup) => !cgroup.gone).map((cgroup) => cgroup.identity), gone };
  }

  #judge(node: CgroupNode): void {
    // The root's path is empty, and matches nothing.
    node.matches = this.#matches(node.path);
    node.fast = node.matches && this.#isFast(node.path);
  }

  #countAbove(node: CgroupNode, by: number): void {
    for (let above = node.parent; above !== null; above = above.parent) {
      above.matchesBelow += by;
      if (node.fast) above.fastBelow += by;
      this.#refresh(above);
    }
  }

  #isWanted(node: CgroupNode): boolean {
    return node.path !== "" && (node.matches || node.matchesBelow > 0);
  }

  /** Follows the node if it now deserves it, and at the right rate. */
  #refresh(node: CgroupNode): void {
    if (node.followed === null && this.#isWanted(node)) this.#follow(node);
    const cgroup = node.followed;
    if (cgroup === null) return;
    cgroup.onlyAncestor = !node.matches;
    const fast = node.fast || node.fastBelow > 0;
    if (fast === cgroup.fast) return;
    cgroup.fast = fast;
    this.#untidy = true;
  }

  #follow(node: CgroupNode): void {
    const cgroup = this.#hooks.open(node, !node.matches);
    if (cgroup === null) return;
    node.followed = cgroup;
    this.#all.push(cgroup);
    this.#untidy = true;
    this.#fresh.push(cgroup);
    this.#appeared.push(cgroup.identity);
  }

  #unfollow(node: CgroupNode): void {
    const cgroup = node.followed;
    if (cgroup === null) return;
    node.followed = null;
    cgroup.gone = true;
    this.#hooks.close(cgroup);
    this.#gone.push(cgroup.number);
    this.#untidy = true;
  }
}
