import { X509Certificate } from "node:crypto";
import type { RouteResponse } from "../../contract/index.ts";
import { count, timeText } from "./table.ts";

export type PlanView = RouteResponse<"createPlan">;
type StepView = PlanView["steps"][number];
type ConditionView = StepView["gate"][number];

const namesMax = 12;

/** A plan for a person: what is replaced, every step and its gate, who cannot be proven, what would break. */
export function planText(plan: PlanView): string {
  return [
    `Plan ${plan.id}: ${plan.title}`,
    `Made ${timeText(plan.createdAtMs)} by ${plan.createdBy}`,
    ...plan.successions.map(
      ({ usage, from, to, subject, given }) =>
        `Replaces the ${usage} CA ${from} by ${to} (${subject}${signerText(given)})`,
    ),
    "",
    `New certificates: ${plan.replaced.length}`,
    ...someOf(plan.replaced).map((id) => `  ${id}`),
    "",
    "Steps:",
    ...plan.steps.flatMap((step, i) => stepLines(step, i + 1)),
    "",
    "Cannot be proven:",
    ...listed(plan.unprovable.map(({ text }) => text)),
    "",
    "What would break:",
    ...listed(plan.problems.map(({ severity, text }) => `${severity}: ${text}`)),
  ].join("\n");
}

/** The CA below the root that signs, where there is one: several may have the same root. */
function signerText(given: PlanView["successions"][number]["given"]): string {
  if (given === undefined || given.intermediatesPem === "") return "";
  const [signer = ""] = new X509Certificate(given.intermediatesPem).subject.split("\n").reverse();
  return `; signed by ${signer} below it`;
}

function someOf(ids: readonly string[]): string[] {
  return ids.length <= namesMax
    ? [...ids]
    : [...ids.slice(0, namesMax), `and ${ids.length - namesMax} more`];
}

function listed(texts: readonly string[]): string[] {
  return texts.length === 0 ? ["  nothing"] : texts.map((text) => `  - ${text}`);
}

function stepLines({ phase, title, gate }: StepView, number: number): string[] {
  return [
    `${String(number).padStart(4)}. ${phase.padEnd(9)} ${title}`,
    ...gate.map((condition) => `${" ".repeat(16)}until ${conditionText(condition)}`),
  ];
}

function conditionText(condition: ConditionView): string {
  switch (condition.require) {
    case "trust-loaded":
      return "every process has loaded this trust";
    case "edges-proven":
      return `every connection is proven under ${condition.authorities.join(" and ")}`;
    case "signed":
      return `${condition.credentials.length === 1 ? "its certificate was" : `all ${condition.credentials.length} certificates were`} brought: \`gatehouse signing export\`, \`gatehouse signing submit\``;
    case "presented":
      return `${condition.credentials.length === 1 ? condition.credentials[0] : count(condition.credentials.length, "credential")} ${condition.credentials.length === 1 ? "shows its" : "show their"} new certificate on the wire`;
    case "all-presented":
      return `every ${condition.usages.join(" and ")} credential shows a certificate of the current CA`;
    case "members-trust":
      return `${count(condition.members.length, "server")} ${condition.members.length === 1 ? "uses" : "use"} these CAs${condition.proven.length === 0 ? "" : `, and accepted a probe of ${condition.proven.join(" and ")}`}`;
    case "service-well":
      return `every member of ${condition.service} is there, in its role, and in step`;
    case "disconnected":
      return `${condition.watcher} sees ${condition.count} members disconnected, as documented`;
    case "no-worse":
      return `not more calls to ${condition.members.join(" and ")} fail than to the others`;
    case "old-connections-closed":
      return "no connection from before this step is open";
    case "unmanaged-waived":
      return `somebody answers for ${condition.subjects.join(" and ")}`;
    case "held-for":
      return `all this has held for ${condition.seconds} s`;
  }
}
