/** The unit that runs the guard as a service: systemd.unit(5), systemd.service(5), systemd.exec(5). */

export interface UnitRequest {
  /** The program and its first arguments, such as node and bin.js; absolute where it begins. */
  readonly program: readonly string[];
  readonly profile: string | null;
  /** Absolute. */
  readonly config: string | null;
  /** The policy ends the guard with the application: it is not to be started again for that. */
  readonly endsByItself: boolean;
}

/** The whole text of a unit file. */
export function systemdUnit({ program, profile, config, endsByItself }: UnitRequest): string {
  const command = [
    ...program,
    "run",
    ...(profile === null ? [] : ["--profile", profile]),
    ...(config === null ? [] : ["--config", config]),
  ];
  return `# Written by "plimsoll init --systemd". As /etc/systemd/system/plimsoll.service:
#   systemctl daemon-reload && systemctl enable --now plimsoll
# Its log: journalctl -u plimsoll. What it did and why: plimsoll audit.
[Unit]
Description=Plimsoll, guard of this host
# Never give up starting it.
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart=${command.map(quoted).join(" ")}
# Reads the policy again; a bad one is refused, and the old one kept.
ExecReload=/bin/kill -HUP $MAINPID
Restart=${endsByItself ? "on-failure" : "always"}
RestartSec=1s
# Usage, a bad policy, a host or a user that cannot: another start would end the same way.
RestartPreventExitStatus=2 3 4 5
# The line of headroom is for people at a terminal; the log goes to the journal.
StandardOutput=null
# The guardian outlives the guard for as long as it takes to put limits back (systemd.kill(5)).
KillMode=process
TimeoutStopSec=10s
# The journal of changed limits stays when the service is gone.
RuntimeDirectory=plimsoll
RuntimeDirectoryMode=0700
RuntimeDirectoryPreserve=yes
# /var/log/plimsoll: the audit log. /var/lib/plimsoll: dumps, datasets.
LogsDirectory=plimsoll
LogsDirectoryMode=0750
StateDirectory=plimsoll
# The last to go: the kernel does not choose it, its pages stay in memory, and the end of a command of a ladder is not its end.
OOMScoreAdjust=-1000
OOMPolicy=continue
LimitMEMLOCK=infinity
MemoryMin=80M
MemorySwapMax=0
# Limits are written there.
ProtectControlGroups=no

# What a guard can do without. It holds for the commands of ladders too. Not here, as they would take from it what it
# needs: MemoryDenyWriteExecute (JavaScript is compiled as it runs), ProtectKernelLogs and ProtectClock (/dev/kmsg),
# ProtectProc and PrivateUsers (other people's processes), ProtectKernelTunables (/sys), PrivateTmp (sockets of Java).
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
RestrictAddressFamilies=AF_UNIX AF_NETLINK AF_PACKET AF_INET AF_INET6

[Install]
WantedBy=multi-user.target
`;
}

/** One word of a command line as systemd reads it: quoted where it must be, `%` and `$` doubled (systemd.service(5)). */
function quoted(word: string): string {
  const plain = word.replaceAll("%", "%%").replaceAll("$", "$$$$");
  if (/^[\w@%+=:,./$-]+$/.test(plain)) return plain;
  return `"${plain.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`;
}
