import type { HostId, ProcessId } from "../kit/index.ts";

/** What a process of the domain is. An Admin Node Manager is a Node Manager too. */
export type Role = "anm" | "nm" | "gateway";

const roles: readonly Role[] = ["anm", "nm", "gateway"];

/** True for the role of a process, as against the other kinds of caller. */
export function isRole(text: string): text is Role {
  return roles.some((role) => role === text);
}

/** A process's identity as its certificate states it: one URI subject alternative name. */
export interface SpiffeId {
  readonly trustDomain: string;
  readonly role: Role;
  /** The host for Node Managers (`host-1`), the instance for gateways (`instance-1`). */
  readonly subject: HostId | ProcessId;
}

/** `spiffe://<trust-domain>/<role>/<host-or-instance>` (SPIFFE-ID section 2). */
export function formatSpiffeId(id: SpiffeId): string {
  return `spiffe://${id.trustDomain}/${id.role}/${id.subject}`;
}

/** Reads a SPIFFE ID of ours; undefined for any other URI, also for one that is nearly right. */
export function parseSpiffeId(uri: string): SpiffeId | undefined {
  const match = /^spiffe:\/\/([a-z0-9._-]{1,255})\/([a-z]+)\/([A-Za-z0-9._-]{1,255})$/.exec(uri);
  const [, trustDomain, roleText, subject] = match ?? [];
  if (trustDomain === undefined || roleText === undefined || subject === undefined)
    return undefined;
  if (!isRole(roleText)) return undefined;
  return { trustDomain, role: roleText, subject: subject as HostId | ProcessId };
}
