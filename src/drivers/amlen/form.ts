import { DomainError } from "../../kit/index.ts";
import type { MemberAt } from "../driver-code.ts";
import { adminPortOf } from "./admin-port.ts";
import { objectsOf, settingsMistakes } from "./check-settings.ts";
import type { ObjectName } from "./properties.ts";
import { readServerCfg } from "./server-cfg.ts";

type Json = Readonly<Record<string, unknown>>;

/**
 * Gives the running server the objects of its settings, each only where it differs from what the server has, and
 * only when none of them has a mistake. True if anything was sent: it counts from the next restart on.
 * Throws `invalid-input` with the mistakes, and what Amlen answers.
 */
export async function formMember(member: MemberAt): Promise<boolean> {
  const { settings = {}, name, values } = member;
  if (Object.keys(settings).length === 0) return false;
  const admin = await adminPortOf(member);
  const stored: Partial<Record<ObjectName, Json>> = {};
  for (const object of Object.keys(settings) as ObjectName[])
    stored[object] = (await admin.get(`configuration/${object}`))[object] as Json;
  const mistakes = [...settingsMistakes(settings, stored), ...hostMistakes(settings, values)];
  if (mistakes.length > 0)
    throw new DomainError(
      "invalid-input",
      `the settings of ${name} are refused: ${mistakes.join("; ")}`,
    );
  let isChanged = false;
  for (const [object, wanted] of Object.entries(objectsOf(settings))) {
    const known = stored[object as ObjectName] ?? {};
    const news = Object.entries(wanted).filter(([key, value]) => known[key] !== value);
    if (news.length === 0) continue;
    await admin.post("configuration", { [object]: Object.fromEntries(news) });
    isChanged = true;
  }
  return isChanged;
}

/** What only this host's server.cfg decides. */
function hostMistakes(settings: Json, values: Readonly<Record<string, string>>): string[] {
  const pair = objectsOf(settings).HighAvailability ?? {};
  const { LocalDiscoveryNIC: discovery, LocalReplicationNIC: replication } = pair;
  const isOne = discovery !== undefined && discovery !== "" && discovery === replication;
  return isOne && !readServerCfg(values["serverCfg"]).allowsSingleNic
    ? [
        "HighAvailability.LocalDiscoveryNIC is LocalReplicationNIC: give another, or set HA.AllowSingleNIC = 1 in server.cfg (515)",
      ]
    : [];
}
