import type { DriverTraits } from "../domain/index.ts";
import { codeOf } from "./code.ts";
import type { Description } from "./description.ts";

const backWithinSecondsDefault = 60;

/** What a plan has to know about a kind of server, from its description. */
export function traitsOf(description: Description): DriverTraits {
  const { trust, reload, code, backWithinSeconds = backWithinSecondsDefault } = description;
  const { accepts, reload: reloadByCode } = codeOf(description);
  const isProven = trust.proof !== undefined || accepts !== undefined;
  return {
    overlap: trust.overlap,
    keyBy: reload !== undefined || reloadByCode !== undefined ? "reload" : "restart",
    trustBy: trust.takesEffect,
    verifiesPeers: isProven || description.files.some(({ what }) => what === "trust-bundle"),
    roles: code === undefined ? "none" : rolesOf[code],
    evidence: isProven ? "handshake" : "loaded",
    copiesCredentials: code === "amlen",
    backWithinSeconds,
  };
}

const rolesOf: Readonly<Record<NonNullable<Description["code"]>, DriverTraits["roles"]>> = {
  gateway: "none",
  redis: "driver",
  postgresql: "driver",
  amlen: "server",
};
