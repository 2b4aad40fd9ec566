import { readStatus, type Material, type MemberAt } from "../../../src/drivers/index.ts";
import { certificatesPem, privateKeyToPem } from "../../../src/keys/index.ts";
import type { Load } from "../../support/load/load.ts";
import type { ClientTls } from "../../support/load/wire.ts";
import { waitUntil } from "../../support/wait-until.ts";

const deadlineMs = 20_000;

/** As a client that shows a member's certificate, and trusts what it trusts. */
export function clientTls({ key, leaf, anchors }: Material): ClientTls {
  return {
    key: privateKeyToPem(key),
    cert: certificatesPem([leaf]),
    ca: certificatesPem(anchors),
    servername: "host-1",
  };
}

export function probeOf({ key, leaf }: Material): {
  privateKeyPem: string;
  certificateChainPem: string;
} {
  return { privateKeyPem: privateKeyToPem(key), certificateChainPem: certificatesPem([leaf]) };
}

/** Waits until the members' roles, and whether they are in step, read as wanted: `active true, standby true`. */
export async function untilRoles(
  members: readonly { readonly member: MemberAt }[],
  what: string,
  test: (roles: string) => boolean,
): Promise<void> {
  const isSo = async (): Promise<boolean> => {
    const all = await Promise.all(members.map(({ member }) => readStatus(member)));
    return test(all.map((each) => `${each?.role} ${each?.synchronised}`).join(", "));
  };
  await waitUntil(isSo, { deadlineMs, what, pollMs: 200 });
}

export const isPair = (roles: string): boolean => roles === "active true, standby true";

export function goesOn(load: Load): Promise<boolean> {
  const seen = load.operations();
  return waitUntil(() => load.operations() > seen + 20, { deadlineMs, what: "calls" });
}
