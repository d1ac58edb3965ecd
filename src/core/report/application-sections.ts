import type { AppLine, AppsRead } from "./app-looks.ts";
import { chart, type Drawing, line, section } from "./drawing.ts";
import type { DatedMark } from "./marks.ts";
import type { ReportChart, ReportSection } from "./model.ts";

/** Lines of the host that applications are held against; null: not recorded. */
export interface CommitLines {
  readonly committed: string | null;
  readonly commitLimit: string | null;
}

/** Members of a group that have a chart of their own; the rest is in the sum. */
const MEMBERS_DRAWN = 60;

/** A line with the series that are drawn of it. */
interface Drawn {
  readonly of: AppLine;
  readonly name: string;
  readonly resident: string | null;
  readonly allocated: string | null;
}

/** Per application: each group, the members of those that have any, and all beside each other. */
export function applicationSections(drawing: Drawing, apps: AppsRead, host: CommitLines): ReportSection[] {
  const names = [...new Set(apps.lines.map(({ application }) => application))];
  return names.flatMap((name) => {
    const lines = apps.lines.filter(({ application }) => application === name);
    const several = names.length > 1;
    const drawn = lines.map((each) => drawnOf(drawing, each, several));
    const groups = drawn.filter(({ of }) => of.group !== null && of.member === null);
    const total = drawn.find(({ of }) => of.group === null);
    return [
      groupsSection(drawing, name, groups, host),
      ...groups.flatMap((group) => membersSection(drawing, name, group, drawn)),
      ...(total === undefined ? [] : [comparisonSection(drawing, name, groups, total, host)]),
    ];
  });
}

function drawnOf({ book }: Drawing, of: AppLine, several: boolean): Drawn {
  const { application, group, member, timesUs, residentBytes, allocatedBytes } = of;
  const own = member ?? group ?? "all groups";
  const name = several ? `${application} ${own}` : own;
  const common = { group: own, unit: "bytes", timesUs } as const;
  return {
    of,
    name,
    allocated: book.add({ ...common, name: `${name} allocated`, values: allocatedBytes }),
    resident: book.add({ ...common, name: `${name} resident`, values: residentBytes }),
  };
}

const ALLOCATED = 'Allocated is the size of private writable mappings ("writeable/private" of pmap -d)';
const RESIDENT = "resident is VmRSS of /proc/PID/status";

function groupsSection(
  drawing: Drawing,
  name: string,
  groups: readonly Drawn[],
  host: CommitLines,
): ReportSection {
  const charts = groups.map((group) =>
    chart(
      drawing,
      {
        title: `${group.name}: allocated and resident`,
        about: `${ALLOCATED}, ${RESIDENT}, each summed over the ${processes(group.of)} of the group; Committed_AS and CommitLimit are the host's.`,
      },
      [
        ...line(group.allocated, "value", "allocated"),
        ...line(group.resident, "value", "resident"),
        ...line(host.committed, "total", "total allocated (Committed_AS)"),
        ...line(host.commitLimit, "limit", "CommitLimit"),
      ],
      marksOf(name),
    ),
  );
  return section(drawing, `Application ${name}`, "Each group of processes, with its subprocesses.", charts);
}

function processes({ processesMax }: AppLine): string {
  return processesMax === 1 ? "one process" : `processes (at most ${processesMax} at once)`;
}

/** Without CommitLimit, which would press them to the ground. */
function membersSection(
  drawing: Drawing,
  name: string,
  group: Drawn,
  all: readonly Drawn[],
): ReportSection[] {
  const members = all.filter(({ of }) => of.member !== null && of.group === group.of.group);
  if (members.length === 0) return [];
  const sum = (what: "allocated" | "resident"): ReportChart =>
    chart(
      drawing,
      {
        title: `${group.name}: ${what}, each and the sum`,
        about: `${what === "allocated" ? ALLOCATED : `Here ${RESIDENT}`}; the sum is over all members, also those left out here.`,
      },
      [
        ...members.slice(0, MEMBERS_DRAWN).flatMap((each) => line(each[what], "value", each.of.member)),
        ...line(group[what], "total", "sum"),
      ],
      marksOf(name),
    );
  const each = members.slice(0, MEMBERS_DRAWN).map((member) =>
    chart(
      drawing,
      {
        title: `${group.name} ${member.of.member ?? ""}`,
        about: `${ALLOCATED}, ${RESIDENT}; over the ${processes(member.of)} of this member.`,
      },
      [...line(member.allocated, "value", "allocated"), ...line(member.resident, "value", "resident")],
      marksOf(name),
    ),
  );
  const left = members.length - each.length;
  const about = `${members.length} member${members.length === 1 ? "" : "s"} of ${group.name}${left > 0 ? `, of which ${left} have no chart of their own` : ""}.`;
  return [
    section(drawing, `${group.name} of ${name}, one by one`, about, [
      sum("allocated"),
      sum("resident"),
      ...each,
    ]),
  ];
}

function comparisonSection(
  drawing: Drawing,
  name: string,
  groups: readonly Drawn[],
  total: Drawn,
  host: CommitLines,
): ReportSection {
  const compare = (what: "allocated" | "resident", limited: boolean): ReportChart =>
    chart(
      drawing,
      {
        title: `${name}: ${what} of all groups${limited ? ", and CommitLimit" : ""}`,
        about: `${what === "allocated" ? ALLOCATED : `Here ${RESIDENT}`}; the total is over all groups, at looks where all could be read.`,
      },
      [
        ...groups.flatMap((group) => line(group[what], "value", group.name)),
        ...line(total[what], "total", "total"),
        ...(limited ? line(host.committed, "value", "Committed_AS of the host") : []),
        ...(limited ? line(host.commitLimit, "limit", "CommitLimit") : []),
      ],
      marksOf(name),
    );
  const charts = [compare("allocated", false), compare("allocated", true), compare("resident", false)];
  return section(drawing, `Comparison of the groups of ${name}`, "The groups beside each other.", charts);
}

/** What was done about the application, and about the host's memory. */
function marksOf(application: string): (mark: DatedMark) => boolean {
  return ({ resource, subject }) =>
    resource === "memory" ||
    (resource === "app" && (subject === application || subject.startsWith(`${application} `)));
}
