import { Type, type Static } from "typebox";
import type { RouteDefinition } from "./route.ts";
import {
  authorityId,
  credentialId,
  dial,
  finding,
  gatewayConfiguration,
  groupId,
  hexDigest,
  hostId,
  list,
  logCursor,
  logPage,
  name,
  nothing,
  nullable,
  pem,
  port,
  processId,
  relyingPartyId,
  secret,
  serial,
  strict,
  timeMs,
  usage,
} from "./schemas.ts";

const processState = Type.Union([
  Type.Literal("running"),
  Type.Literal("starting"),
  Type.Literal("stopped"),
  Type.Literal("failed"),
  Type.Literal("unknown"),
]);

export const topology = strict({
  id: Type.String(),
  name,
  version: Type.Integer(),
  trustEpoch: Type.Integer(),
  productVersion: Type.String(),
  hosts: list(
    strict({
      id: hostId,
      name,
      address: name,
      status: Type.Union([
        Type.Literal("joining"),
        Type.Literal("active"),
        Type.Literal("quarantined"),
        Type.Literal("revoked"),
      ]),
      connected: Type.Boolean(),
      dial,
      nodeManager: strict({ id: processId, name, port, isAdmin: Type.Boolean() }),
    }),
  ),
  groups: list(
    strict({
      id: groupId,
      name,
      configuration: gatewayConfiguration,
      instances: list(
        strict({
          id: processId,
          name,
          hostId,
          managementPort: port,
          servicesPort: port,
          enabled: Type.Boolean(),
          state: processState,
          tags: Type.Record(Type.String(), Type.String()),
        }),
      ),
    }),
  ),
  relyingParties: list(strict({ id: relyingPartyId, name, loadedEpoch: nullable(Type.Integer()) })),
});
export type TopologyView = Static<typeof topology>;

const credentialView = strict({
  id: credentialId,
  process: processId,
  hostId,
  usage,
  authorityId,
  installedSequence: nullable(Type.Integer()),
  installedSerial: nullable(serial),
  notAfterMs: nullable(timeMs),
  onWire: Type.Boolean(),
  failedRenewals: Type.Integer(),
  lastError: nullable(Type.String()),
});

const end = strict({
  credential: credentialId,
  process: processId,
  hostId,
  usage,
  authorityId,
  atMs: nullable(timeMs),
});

const signers = Type.Array(hostId, {
  description: "whose Admin Node Managers can sign with it at this moment",
});

const keyInToken = Type.Optional(
  strict({
    token: Type.String({ description: "label of the token" }),
    label: Type.String({ description: "label of the key in it" }),
  }),
);

const authorityView = strict({
  id: authorityId,
  usage,
  signing: Type.Union([
    Type.Literal("generated"),
    Type.Literal("provided"),
    Type.Literal("external"),
  ]),
  subject: Type.String(),
  fingerprint: hexDigest,
  certificatePem: pem,
  notAfterMs: timeMs,
  status: Type.Union([
    Type.Literal("next"),
    Type.Literal("current"),
    Type.Literal("previous"),
    Type.Literal("retired"),
    Type.Literal("restored"),
    Type.Literal("abandoned"),
  ]),
  holders: Type.Array(hostId, { description: "whose Admin Node Managers hold its key" }),
  signers,
  token: keyInToken,
});

const issuanceView = strict({
  writer: Type.String({ description: "the Admin Node Manager that issued it" }),
  position: Type.Integer({ description: "in the log of its writer" }),
  authorityId,
  serial,
  kind: Type.String(),
  credentialId: nullable(credentialId),
  subject: Type.String(),
  fingerprint: hexDigest,
  notBeforeMs: timeMs,
  notAfterMs: timeMs,
  issuedAtMs: timeMs,
});

const instanceView = strict({
  id: processId,
  name,
  groupId,
  groupName: name,
  hostId,
  managementPort: port,
  servicesPort: port,
});
export type InstanceView = Static<typeof instanceView>;

/** Hosts, groups, instances and what was issued to them. */
export const topologyRoutes = {
  getTopology: {
    method: "GET",
    path: "/topology",
    access: "operator",
    status: 200,
    summary: "Hosts, groups, instances and relying parties with their present state",
    response: topology,
  },
  deleteHost: {
    method: "DELETE",
    path: "/hosts/:id",
    access: "administrator",
    status: 204,
    summary: "Removes a host without instances; its keys are denied",
    params: strict({ id: hostId }),
    response: nothing,
  },
  setHostDial: {
    method: "PUT",
    path: "/hosts/:id/dial",
    access: "administrator",
    status: 204,
    summary:
      "Says which end opens the connections between the host and the Admin Node Managers, from now on",
    params: strict({ id: hostId }),
    body: strict({ dial }),
    response: nothing,
  },
  approveHost: {
    method: "POST",
    path: "/hosts/:id/approval",
    access: "administrator",
    status: 204,
    summary: "Lets a quarantined host take part again",
    params: strict({ id: hostId }),
    response: nothing,
  },
  createInstance: {
    method: "POST",
    path: "/instances",
    access: "administrator",
    status: 201,
    summary: "Creates an instance, and its group if that is new, on a registered host",
    body: strict({
      name,
      group: name,
      hostId,
      managementPort: Type.Optional(port),
      servicesPort: Type.Optional(port),
      configuration: Type.Optional(gatewayConfiguration),
      /** That of the group, which its keys are encrypted by; a new group gets it. */
      passphrase: Type.Optional(secret),
    }),
    response: instanceView,
  },
  setInstanceEnabled: {
    method: "PUT",
    path: "/instances/:id/enabled",
    access: "administrator",
    status: 204,
    summary: "Starts or stops an instance",
    params: strict({ id: processId }),
    body: strict({ enabled: Type.Boolean() }),
    response: nothing,
  },
  deleteInstance: {
    method: "DELETE",
    path: "/instances/:id",
    access: "administrator",
    status: 204,
    summary: "Removes a stopped instance; its keys are denied",
    params: strict({ id: processId }),
    response: nothing,
  },
  configureGroup: {
    method: "PUT",
    path: "/groups/:id/configuration",
    access: "administrator",
    status: 204,
    summary: "Replaces what every instance of a group serves",
    params: strict({ id: groupId }),
    body: gatewayConfiguration,
    response: nothing,
  },
  deleteGroup: {
    method: "DELETE",
    path: "/groups/:id",
    access: "administrator",
    status: 204,
    summary: "Removes a group with all its instances, which must be stopped",
    params: strict({ id: groupId }),
    response: nothing,
  },
  listCredentials: {
    method: "GET",
    path: "/credentials",
    access: "operator",
    status: 200,
    summary: "Every credential, what is installed and whether it was seen on the wire",
    response: strict({ credentials: list(credentialView) }),
  },
  getHorizon: {
    method: "GET",
    path: "/horizon",
    access: "operator",
    status: 200,
    summary: "When the first authentication would fail if nothing were issued from now on",
    response: strict({
      atMs: nullable(timeMs),
      minimumMs: Type.Integer({ description: "what the policy asks for, from now on" }),
      processes: list(end),
      authorities: list(end),
      signers: list(strict({ authorityId, hosts: signers, token: keyInToken })),
    }),
  },
  listAuthorities: {
    method: "GET",
    path: "/authorities",
    access: "operator",
    status: 200,
    summary: "Every authority the domain ever had",
    response: strict({ authorities: list(authorityView) }),
  },
  restoreAuthority: {
    method: "POST",
    path: "/authorities/:id/restoration",
    access: "administrator",
    status: 204,
    summary: "Trusts a CA again that was retired less than 7 days ago; it signs nothing",
    params: strict({ id: authorityId }),
    response: nothing,
  },
  retireAuthority: {
    method: "POST",
    path: "/authorities/:id/retirement",
    access: "administrator",
    status: 204,
    summary: "Stops trusting a CA that was restored",
    params: strict({ id: authorityId }),
    response: nothing,
  },
  listIssuances: {
    method: "GET",
    path: "/issuances",
    access: "operator",
    status: 200,
    summary: "Every certificate that was issued, oldest first",
    query: logPage,
    response: strict({ issuances: list(issuanceView), next: logCursor }),
  },
  listFindings: {
    method: "GET",
    path: "/findings",
    access: "operator",
    status: 200,
    summary: "What is not as it should be, and what would change it",
    response: strict({ findings: list(finding) }),
  },
  watchChanges: {
    method: "GET",
    path: "/changes",
    access: "operator",
    status: 200,
    summary: "Answers when the feed revision is above the given one, or at the end of the wait",
    query: strict({
      revision: Type.Integer({ minimum: 0 }),
      waitMs: Type.Integer({ minimum: 0, maximum: 30_000 }),
    }),
    response: strict({ revision: Type.Integer() }),
  },
} as const satisfies Record<string, RouteDefinition>;
