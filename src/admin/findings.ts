import type { Finding } from "../domain/index.ts";
import { arrangeEvidence, nextMove } from "../planning/index.ts";
import { readSnapshot } from "../control/index.ts";
import type { AdminState } from "./admin-state.ts";

const expiryWarningMs = 5 * 86_400_000;

/** What is not as it should be in the domain at this moment. */
export async function currentFindings(state: AdminState): Promise<Finding[]> {
  return state.env.store.read(async (view) => {
    const snapshot = await readSnapshot(view, state.env, 0);
    const evidence = arrangeEvidence(snapshot);
    const found: Finding[] = [];
    const say = (
      code: string,
      severity: Finding["severity"],
      subject: string,
      text: string,
    ): void => void found.push({ code, severity, subject, text });
    const hosts = snapshot.topology.hosts;
    if (hosts.filter((host) => host.nodeManager.isAdmin).length < 2) {
      say(
        "one-admin",
        "warning",
        "domain",
        "the domain has one Admin Node Manager: while it is down nothing can be managed or issued",
      );
    }
    say(
      "authority-unprotected",
      "warning",
      "domain",
      "the keys of the authorities are on disk without a passphrase: whoever reads the Admin Node Manager's home can issue",
    );
    for (const host of hosts) {
      if (host.status === "quarantined")
        say(
          "host-quarantined",
          "warning",
          host.id,
          `host ${host.name} waits for approval: \`gatehouse host approve ${host.id}\``,
        );
      else if (!state.presence.isConnected(host.id))
        say("host-silent", "error", host.id, `host ${host.name} (${host.id}) is not connected`);
    }
    for (const [hostId, count] of state.presence.rivals()) {
      say(
        "identity-in-use",
        "error",
        hostId,
        `the identity of ${hostId} was claimed a second time (${count} tries): its home folder may have been copied`,
      );
    }
    for (const credential of snapshot.credentials) {
      const seen = evidence.credentialOf.get(credential.id);
      if (seen !== undefined && seen.lastError !== null)
        say(
          "renewal-failing",
          "error",
          credential.id,
          `${credential.id} could not be renewed (${seen.failedRenewals} tries): ${seen.lastError}`,
        );
      const leftMs = (seen?.installed?.notAfterMs ?? Infinity) - snapshot.nowMs;
      if (leftMs < expiryWarningMs)
        say(
          "expires-soon",
          "warning",
          credential.id,
          `${credential.id} expires in ${Math.max(0, Math.floor(leftMs / 3_600_000))} hours`,
        );
    }
    for (const rollout of await view.rollouts.open()) {
      const move = nextMove(rollout, evidence, null);
      if (move.do === "wait")
        found.push(
          ...move.blockers.map((blocker) => ({
            ...blocker,
            severity: "warning" as const,
            text: `${rollout.id} waits: ${blocker.text}`,
          })),
        );
    }
    return found;
  });
}
