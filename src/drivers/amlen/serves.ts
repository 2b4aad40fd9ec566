import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { DomainError, isDomainError } from "../../kit/index.ts";
import { parseCertificatesPem } from "../../pki/index.ts";
import type { MemberAt } from "../driver-code.ts";
import { fingerprintOf, servedFingerprint } from "../served.ts";
import { stopReason } from "./admin-answers.ts";
import { adminPortOf } from "./admin-port.ts";
import { isOpen, memberPorts, readConfiguration, type CredentialKind } from "./member-ports.ts";
import { readReport, serverState, type ServerReport } from "./read-member.ts";

/**
 * Whether the server uses the leaf with this fingerprint: the files hold it still (pairing replaces a
 * standby's), and every port that is open now shows it. While it is paired its discovery port is shut, and on a
 * standby those of the cluster; the files that it started with are the evidence then. Throws
 * `generation-refused` for a server that has stopped.
 */
export async function servesLeaf(member: MemberAt, leaf: string): Promise<boolean> {
  const admin = await adminPortOf(member);
  try {
    const report = await readReport(admin);
    const { state, errorCode } = report.server;
    if (state === serverState.maintenance && errorCode !== 0)
      throw new DomainError(
        "generation-refused",
        `${member.name} is in maintenance: ${stopReason(errorCode)}`,
      );
    const ports = memberPorts(member, await readConfiguration(admin));
    const kinds = new Set<CredentialKind>(ports.map(({ kind }) => kind));
    for (const kind of kinds.size === 0 ? (["HA", "Cluster"] as const) : kinds)
      if ((await fileFingerprint(member, kind)) !== leaf) return false;
    const open = ports.filter((port) => port.speaksTls && isOpen(port, report));
    const shown = await Promise.all(open.map(({ port }) => servedFingerprint(port)));
    return isSettled(report) && shown.every((each) => each === leaf);
  } catch (error) {
    if (isDomainError(error, "unreachable") || isDomainError(error, "timeout")) return false;
    throw error;
  }
}

/** It has its store, or waits for the other member of its pair. */
function isSettled({ server, highAvailability }: ServerReport): boolean {
  const isUp = server.state === serverState.production || server.state === serverState.standby;
  return isUp || highAvailability?.NewRole === "UNSYNC";
}

/** Of the leaf in a member's file; null where there is none that can be read. */
async function fileFingerprint({ values }: MemberAt, kind: CredentialKind): Promise<string | null> {
  try {
    const path = join(values["keystore"] ?? "", `${kind}_cert.pem`);
    const [leaf] = parseCertificatesPem(await readFile(path, "utf8"));
    return leaf === undefined ? null : fingerprintOf(leaf.der);
  } catch {
    return null;
  }
}
