import { isIP } from "node:net";
import { AdminError } from "./admin-error.ts";
import {
  propertyRules,
  withDefaults,
  type ClusterConfiguration,
  type Configuration,
  type HighAvailabilityConfiguration,
  type ObjectName,
} from "./configuration-objects.ts";
import { checkProperties } from "./property-rules.ts";

/** What a change is judged against. */
export interface ChangeContext {
  readonly stored: Configuration;
  readonly role: string;
  /** The addresses of the member's own host. */
  readonly hostAddresses: readonly string[];
}

/**
 * The configuration after a POST of `body`: each object merged with what is stored, all of it or nothing.
 * Throws `AdminError`.
 */
export function changeConfiguration(body: unknown, context: ChangeContext): Configuration {
  if (!isObject(body)) throw new AdminError(137, "the request");
  let changed = context.stored;
  for (const [name, properties] of Object.entries(body)) {
    if (!isObjectName(name)) throw new AdminError(138, name);
    if (!isObject(properties)) throw new AdminError(properties === null ? 137 : 127, name);
    checkProperties(propertyRules[name], properties);
    changed = { ...changed, [name]: { ...changed[name], ...properties } };
  }
  const before = withDefaults(context.stored);
  const after = withDefaults(changed);
  if (Object.hasOwn(body, "HighAvailability")) {
    checkHighAvailability(after.HighAvailability);
    const leavesPair = before.HighAvailability.EnableHA && !after.HighAvailability.EnableHA;
    if (leavesPair && context.role === "PRIMARY" && after.ClusterMembership.EnableClusterMembership)
      throw new AdminError(385, "EnableHA");
  }
  if (Object.hasOwn(body, "ClusterMembership")) {
    checkCluster(after.ClusterMembership, context.hostAddresses);
    checkClusterChange(before.ClusterMembership, after.ClusterMembership, context.role);
  }
  return changed;
}

export function isObjectName(name: string): name is ObjectName {
  return Object.hasOwn(propertyRules, name);
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function checkHighAvailability(object: HighAvailabilityConfiguration): void {
  if (object.ExternalReplicationPort !== 0 && object.ReplicationPort === 0) {
    throw new AdminError(112, "ExternalReplicationPort");
  }
  if (!object.EnableHA) return;
  if (object.Group === "") throw new AdminError(112, "Group");
  for (const nic of ["RemoteDiscoveryNIC", "LocalReplicationNIC", "LocalDiscoveryNIC"] as const) {
    if (object[nic] === "") throw new AdminError(134, nic);
  }
}

function checkCluster(object: ClusterConfiguration, hostAddresses: readonly string[]): void {
  for (const name of ["ControlAddress", "MessagingAddress"] as const) {
    const address = object[name];
    if (address !== null && !hostAddresses.includes(address)) throw new AdminError(112, name);
  }
  parseDiscoveryServers(object.DiscoveryServerList);
  if (!object.EnableClusterMembership) return;
  if (object.ClusterName === "") throw new AdminError(134, "ClusterName");
  if (object.ControlAddress === null) throw new AdminError(134, "ControlAddress");
  if (!object.UseMulticastDiscovery && (object.DiscoveryServerList ?? "") === "") {
    throw new AdminError(134, "DiscoveryServerList");
  }
}

const fixedOnStandby = ["ClusterName", "EnableClusterMembership", "DiscoveryServerList"] as const;

function checkClusterChange(
  before: ClusterConfiguration,
  after: ClusterConfiguration,
  role: string,
): void {
  for (const name of fixedOnStandby) {
    if (role === "STANDBY" && before[name] !== after[name]) throw new AdminError(382, name);
  }
  const staysEnabled = before.EnableClusterMembership && after.EnableClusterMembership;
  if (staysEnabled && before.ClusterName !== after.ClusterName) {
    throw new AdminError(384, "ClusterName");
  }
}

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** Reads "ip:port,[v6]:port"; throws 0134 for anything else, a host name above all. */
export function parseDiscoveryServers(list: string | null): Endpoint[] {
  const entries = (list ?? "").split(",").map((entry) => entry.trim());
  return entries
    .filter((entry) => entry !== "")
    .map((entry) => {
      const [, v6, v4, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(entry) ?? [];
      const host = v6 ?? v4 ?? "";
      if (isIP(host) === 0) throw new AdminError(134, "DiscoveryServerList");
      return { host, port: Number(port) };
    });
}
