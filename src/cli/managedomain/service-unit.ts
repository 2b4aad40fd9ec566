/** What the systemd unit of a home says; paths are absolute. */
export interface ServiceUnit {
  readonly home: string;
  /** Name or number of the user that everything runs as. */
  readonly user: string;
  /** Node.js, and the `gatehouse` that it runs. */
  readonly node: string;
  readonly program: string;
}

/** Name of the unit of a home, of which a machine may have several (systemd-escape --path). */
export function unitName(home: string): string {
  const escaped = [...home.replace(/^\/+|\/+$/g, "")].map((character, at) => {
    if (character === "/") return "-";
    if (/[A-Za-z0-9:_]/.test(character) || (character === "." && at > 0)) return character;
    return [...Buffer.from(character)]
      .map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`)
      .join("");
  });
  return `gatehouse-${escaped.join("")}.service`;
}

/**
 * The unit of a home's Node Manager (systemd.service(5)). What the Node Manager has started outlives
 * it, so that it may be stopped, upgraded and killed: systemd ends the one process alone, and
 * `node stop` the Admin Node Manager too.
 */
export function unitText({ home, user, node, program }: ServiceUnit): string {
  const command = `${quoted(node)} ${quoted(program)} node`;
  const where = `--home ${quoted(home)}`;
  return [
    "[Unit]",
    `Description=Gatehouse Node Manager of ${home.replaceAll("%", "%%")}`,
    "Wants=network-online.target",
    "After=network-online.target",
    "",
    "[Service]",
    "Type=exec",
    `User=${user}`,
    `ExecStart=${command} run --no-supervise ${where}`,
    `ExecStop=${command} stop ${where}`,
    "KillMode=process",
    "Restart=on-failure",
    "RestartSec=1",
    "TimeoutStopSec=60",
    "UMask=0077",
    "NoNewPrivileges=yes",
    "",
    "[Install]",
    "WantedBy=multi-user.target",
    "",
  ].join("\n");
}

/** One word of a command line, whatever it holds (systemd.service(5), "Command lines"). */
function quoted(word: string): string {
  const escaped = word
    .replaceAll("\\", "\\\\")
    .replaceAll('"', '\\"')
    .replaceAll("%", "%%")
    .replaceAll("$", "$$$$");
  return `"${escaped}"`;
}
