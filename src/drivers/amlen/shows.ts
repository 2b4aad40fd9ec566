import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { DomainError, isDomainError } from "../../kit/index.ts";
import { parseCertificatesPem } from "../../pki/index.ts";
import type { MemberAt } from "../driver-code.ts";
import { fingerprintOf, shownOn, type Shown } from "../served.ts";
import { stopReason } from "./admin-answers.ts";
import { adminPortOf } from "./admin-port.ts";
import { isOpen, memberPorts, readConfiguration, type CredentialKind } from "./member-ports.ts";
import { readReport, serverState, type ServerReport } from "./read-member.ts";

/**
 * What the files hold, and what every port shows that is open now: while it is paired its discovery
 * port is shut. On the standby of a pair nothing is to be seen: its ports are shut, and its files are its
 * primary's, whatever it started with. Throws `generation-refused` for a server that has stopped.
 */
export async function shownByMember(member: MemberAt): Promise<readonly Shown[]> {
  const admin = await adminPortOf(member);
  const at = member.values["adminUrl"] ?? "";
  try {
    const report = await readReport(admin);
    const { state, errorCode } = report.server;
    if (state === serverState.maintenance && errorCode !== 0)
      throw new DomainError(
        "generation-refused",
        `${member.name} is in maintenance: ${stopReason(errorCode)}`,
      );
    if (!isSettled(report))
      return [
        { at, leaf: null, error: new DomainError("not-running", `${member.name} is starting`) },
      ];
    const ports = memberPorts(member, await readConfiguration(admin));
    const kinds = new Set<CredentialKind>(ports.map(({ kind }) => kind));
    const open = ports.filter((port) => port.speaksTls && isOpen(port, report));
    const all = kinds.size === 0 ? (["HA", "Cluster"] as const) : [...kinds];
    const files = hasCopiedFiles(report) ? [] : all;
    return [
      ...(await Promise.all(files.map((kind) => shownInFile(member, kind)))),
      ...(await shownOn(open.map(({ port }) => port))),
    ];
  } catch (error) {
    const isAway = isDomainError(error, "unreachable") || isDomainError(error, "timeout");
    if (!isAway) throw error;
    return [{ at, leaf: null, error }];
  }
}

/** Pairing has replaced its folder of certificates, keys included, by the primary's. */
function hasCopiedFiles({ highAvailability: pair }: ServerReport): boolean {
  return pair !== null && pair.ActiveNodes > 1 && pair.NewRole !== "PRIMARY";
}

/** It has its store, or waits for the other member of its pair. */
function isSettled({ server, highAvailability }: ServerReport): boolean {
  const isUp =
    server.state === serverState.production ||
    server.state === serverState.standby ||
    server.state === serverState.maintenance;
  return isUp || highAvailability?.NewRole === "UNSYNC";
}

async function shownInFile({ values }: MemberAt, kind: CredentialKind): Promise<Shown> {
  const at = join(values["keystore"] ?? "", `${kind}_cert.pem`);
  try {
    const [leaf] = parseCertificatesPem(await readFile(at, "utf8"));
    return { at, leaf: leaf === undefined ? null : fingerprintOf(leaf.der), error: null };
  } catch (error) {
    return { at, leaf: null, error };
  }
}
