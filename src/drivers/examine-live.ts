import type { Finding } from "../domain/index.ts";
import { acceptsProbe } from "./accepts-probe.ts";
import { codeOf } from "./code.ts";
import type { Description, ServedPort } from "./description.ts";
import type { MemberAt, PeerMember } from "./driver-code.ts";
import type { ExaminationContext, FoundCredential, Say } from "./examination.ts";
import { peerFindings, portFindings } from "./examine-ports.ts";
import { probePort } from "./probe-port.ts";

const nameOf = ({ host, port }: ServedPort): string => `${host}:${port}`;

/** What a member's own ports show, compared with its file. */
export async function examinePorts(
  { served }: Description,
  found: FoundCredential | undefined,
  context: ExaminationContext,
  say: Say,
): Promise<Finding[]> {
  const all = await Promise.all(
    served.map(async (port) =>
      portFindings(nameOf(port), await probePort(port), found, context, say),
    ),
  );
  return all.flat();
}

/** Where another member is reached from here: its own loopback is not ours. */
function reachable({ address }: PeerMember, port: ServedPort): ServedPort {
  const isLoopback =
    port.host === "localhost" || port.host.startsWith("127.") || port.host === "::1";
  const isElsewhere = !(address.startsWith("127.") || address === "localhost" || address === "::1");
  return isLoopback && isElsewhere ? { ...port, host: address } : port;
}

/** Whether this member and each of the others take each other's certificates, tried on their live ports. */
export async function examinePeers(
  member: MemberAt,
  found: FoundCredential | undefined,
  { nowMs }: ExaminationContext,
  say: Say,
): Promise<Finding[]> {
  const { others, anchors, description } = member;
  const canProve =
    description.trust.proof !== undefined && codeOf(description).accepts === undefined;
  const all = await Promise.all(
    others.flatMap((peer) =>
      (peer.served ?? []).map((own) => {
        const port = reachable(peer, own);
        const at = { ...member, description: { ...description, served: [port] } };
        return peerFindings(`${peer.name} at ${nameOf(port)}`, port, {
          found,
          anchors,
          nowMs,
          say,
          takenBy: "ticket",
          ...(canProve ? { accepts: (probe) => acceptsProbe(at, probe) } : {}),
        });
      }),
    ),
  );
  return all.flat();
}
