import { DomainError } from "../kit/index.ts";
import type { MemberAt, PeerMember } from "./driver-code.ts";

/** The other member of a pair. `invalid-input` where there is not exactly one. */
export function peerOf({ name, description, others }: MemberAt): PeerMember {
  const [peer, ...more] = others;
  if (peer !== undefined && more.length === 0) return peer;
  throw new DomainError(
    "invalid-input",
    `${name} has ${others.length} other members: a pair of ${description.name} has one; declare two members`,
  );
}
