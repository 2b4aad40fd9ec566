import { describeError, type ProcessId } from "../kit/index.ts";
import type { AdminLink } from "./admin-link.ts";
import { convergeCredentials } from "./credentials.ts";
import type { InstanceLinks } from "./instance-link.ts";
import type { Instances } from "./instances.ts";
import type { LocalIssuing } from "./local-issuing.ts";
import type { Members } from "./members/members.ts";
import type { NodeState } from "./node-state.ts";
import { proveEdges } from "./proving.ts";
import { observeHost } from "./report.ts";
import type { HostRole } from "./role.ts";

/** Looked at again this often without any news: a process may have died, a renewal be due. */
const lookEveryMs = 1_000;
/** While something was just changed, its effect is looked for sooner. */
const lookSoonMs = 50;
/** An unchanged report is sent this often, to say that the host is there. */
const heartbeatMs = 5_000;

interface Parts {
  readonly link: AdminLink;
  readonly links: InstanceLinks;
  readonly instances: Instances;
  readonly members: Pick<Members, "converge" | "prove" | "report" | "credentialOf">;
  readonly issuing: Pick<LocalIssuing, "report">;
  readonly role: HostRole;
}

/**
 * Brings the host to its desired state, again and again (level-triggered: no single event is relied
 * on), and reports what it proved. Works from the last desired state while nobody can be asked.
 */
export async function reconcile(
  state: NodeState,
  parts: Parts,
  signal: AbortSignal,
): Promise<void> {
  let sent = "";
  let sentAtMs = -Infinity;
  let sequence = 0;
  let toldAdmin: ProcessId | undefined;
  while (!signal.aborted) {
    state.desired = state.received ?? state.desired;
    let isBusy = await parts.role.converge();
    await followPassphrases(state);
    await parts.instances.converge();
    await parts.members.converge();
    await state.installing(() => state.groups.convert((id) => parts.instances.reloadNow(id)));
    // What was issued here meanwhile is known to the domain before anything else is wanted or reported.
    const isShown = await parts.issuing.report(parts.link);
    if (state.isConnected && isShown) {
      const converge = () => convergeCredentials(state, parts.link, parts.instances);
      isBusy = (await state.installing(converge)) || isBusy;
      await proveEdges(state, parts.link, parts.links, parts);
    }
    void state.reach.follow();
    const report = await observeHost(state, parts.instances, parts.members, parts.role);
    const text = JSON.stringify(report);
    // One that was not asked before does not know that this host is there.
    if (state.admin?.id !== toldAdmin) sent = "";
    if (
      state.isConnected &&
      isShown &&
      (text !== sent || performance.now() - sentAtMs > heartbeatMs)
    ) {
      try {
        const body = { ...report, sequence: ++sequence };
        const { seenSerial } = await parts.link.call("reportObservedState", { body });
        // Not seen as it is now: the same report says more a little later.
        const isSeen = seenSerial === state.identity.serial;
        isBusy ||= text !== sent || !isSeen;
        sent = isSeen ? text : "";
        sentAtMs = performance.now();
        toldAdmin = state.admin?.id;
      } catch (error) {
        state.log.debug({ error: describeError(error) }, "the report was not taken");
      }
    }
    await state.pause(isBusy ? lookSoonMs : lookEveryMs);
  }
  await parts.role.endUnlessWorking();
}

async function followPassphrases({ groups, pendingKeys, log }: NodeState): Promise<void> {
  try {
    await groups.follow();
    await pendingKeys.follow();
  } catch (error) {
    log.warn({ error: describeError(error) }, "passphrases could not be followed");
  }
}
