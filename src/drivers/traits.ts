import type { DriverTraits } from "../domain/index.ts";
import { codeOf } from "./code.ts";
import type { Description } from "./description.ts";

const backWithinSecondsDefault = 60;

/** What a plan has to know about a kind of server, from its description. */
export function traitsOf(description: Description): DriverTraits {
  const {
    trust,
    reload,
    restart,
    code,
    backWithinSeconds = backWithinSecondsDefault,
  } = description;
  const { accepts, reload: reloadByCode } = codeOf(description);
  const isProven = trust.proof !== undefined || accepts !== undefined;
  return {
    overlap: trust.overlap,
    keyBy: reload !== undefined || reloadByCode !== undefined ? "reload" : "restart",
    // A restart by a signal is the server's own, with new workers beside the old ones.
    trustBy: restart !== undefined && "signal" in restart ? "reload" : trust.takesEffect,
    verifiesPeers: isProven || description.files.some(({ what }) => what === "trust-bundle"),
    roles: code === undefined ? "none" : rolesOf[code],
    evidence: isProven ? "handshake" : "loaded",
    copiesCredentials: code === "amlen",
    countsCalls: code === "redis" || code === "postgresql",
    backWithinSeconds,
  };
}

const rolesOf: Readonly<Record<NonNullable<Description["code"]>, DriverTraits["roles"]>> = {
  gateway: "none",
  redis: "driver",
  postgresql: "driver",
  amlen: "server",
};
