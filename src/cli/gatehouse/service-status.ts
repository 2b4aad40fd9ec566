import { DomainError } from "../../kit/index.ts";
import type { RouteResponse } from "../../contract/index.ts";
import { asAdmin, printResult, type CommandContext } from "../command-context.ts";
import { table, timeText } from "../render/table.ts";

type Status = RouteResponse<"getServiceStatus">;
type Finding = Status["findings"][number];

const changesShown = 10;

/** `gatehouse service status`. Throws `service-unwell` after a status that is not good was printed. */
export function showStatus(
  context: CommandContext,
  service: string,
  isDocumented: boolean,
): Promise<void> {
  return asAdmin(context, async (admin) => {
    const status = await admin.call("getServiceStatus", { params: { service } });
    if (isDocumented) context.terminal.out(JSON.stringify(documented(status), null, 2));
    else printResult(context, status, statusText);
    if (status.health !== "good")
      throw new DomainError(
        "service-unwell",
        `service ${status.name} is ${status.health}: \`gatehouse doctor ${status.name}\` says why`,
      );
  });
}

/** Each member's own words, as its REST interface would have them. */
function documented({ members }: Status): unknown {
  return Object.fromEntries(
    members.map(({ name, ...documents }) => [name, { Version: "v1", ...documents }]),
  );
}

function statusText(status: Status): string {
  const { name, health, findings, members, history } = status;
  const parts = [`Service ${name} is ${health}.`, memberText(members)];
  if (findings.length > 0) parts.push(findings.map(findingText).join("\n"));
  if (history.length > 0)
    parts.push(
      table(
        ["WHEN", "MEMBER", "WHAT", "FROM", "TO"],
        history
          .slice(0, changesShown)
          .map(({ atMs, member, what, from, to }) => [timeText(atMs), member, what, from, to]),
      ),
    );
  return parts.filter((part) => part !== "").join("\n\n");
}

function memberText(members: Status["members"]): string {
  return table(
    ["MEMBER", "ROLE", "BEFORE", "ACTIVE NODES", "IN SYNC", "CLUSTER", "CONNECTED", "AWAY"],
    members.map(({ name, HighAvailability: pair, Cluster: cluster }) => [
      name,
      pair?.NewRole ?? "-",
      pair?.OldRole ?? "-",
      pair?.ActiveNodes.toString() ?? "-",
      pair?.SyncNodes.toString() ?? "-",
      cluster?.Status ?? "-",
      cluster?.ConnectedServers?.toString() ?? "-",
      cluster?.DisconnectedServers?.toString() ?? "-",
    ]),
  );
}

function findingText({ severity, code, text }: Finding): string {
  return `${severity} ${code}: ${text}`;
}

/** `gatehouse doctor`. Throws `service-unwell` after what was found was printed. */
export function examine(context: CommandContext, service: string): Promise<void> {
  return asAdmin(context, async (admin) => {
    const { name, findings } = await admin.call("getServiceStatus", { params: { service } });
    printResult(context, findings, (all) =>
      all.length === 0 ? `Nothing is wrong with service ${name}.` : all.map(findingText).join("\n"),
    );
    if (findings.some(({ severity }) => severity !== "info"))
      throw new DomainError("service-unwell", `service ${name} is not as it should be: see above`);
  });
}
