import {
  DomainError,
  type AuthorityId,
  type CredentialId,
  type PlanId,
  type ServiceId,
} from "../kit/index.ts";
import {
  isServiceUsage,
  isSignedElsewhere,
  type Authority,
  type AuthorityUsage,
  type Credential,
  type Finding,
} from "../domain/index.ts";
import { foreignHolders } from "./foreign-holders.ts";
import type { GivenAuthority, Plan, Step, Succession } from "./plan.ts";
import {
  memberReplacementSteps,
  serviceNotes,
  serviceRotationSteps,
  takeOverSteps,
  type Strategy,
} from "./service-plan.ts";
import { arrangeEvidence, isSilent, type DomainSnapshot } from "./snapshot.ts";
import { wavesOf } from "./waves.ts";

/** What every plan is made with, beside the domain as it is. */
export interface PlanRequest {
  readonly id: PlanId;
  readonly createdBy: string;
}

/**
 * Plans a new certificate, with a new key, for the chosen credentials (null: all), from their
 * present authorities. Throws `not-found` for a credential that does not exist.
 */
export function planReplaceLeaves(
  snapshot: DomainSnapshot,
  request: PlanRequest & { readonly credentials: readonly CredentialId[] | null },
): Plan {
  const chosen = chooseCredentials(snapshot.credentials, request.credentials);
  const title =
    request.credentials === null
      ? "Replace every leaf certificate"
      : `Replace ${chosen.length} leaf certificate${chosen.length === 1 ? "" : "s"}`;
  return {
    ...request,
    kind: "replace-leaves",
    title,
    parentRevision: snapshot.revision,
    createdAtMs: snapshot.nowMs,
    successions: [],
    replaced: chosen.map((credential) => credential.id),
    unprovable: [],
    problems: absentHosts(snapshot),
    steps: [
      ...collectSteps(chosen, snapshot.authorities.find(isCurrentElsewhere)),
      ...reissueSteps(snapshot, chosen),
      ...memberReplacementSteps(snapshot, chosen),
      forgetStep,
    ],
  };
}

function chooseCredentials(
  all: readonly Credential[],
  ids: readonly CredentialId[] | null,
): Credential[] {
  if (ids === null) return [...all];
  return ids.map((id) => {
    const found = all.find((credential) => credential.id === id);
    if (found === undefined)
      throw new DomainError(
        "not-found",
        `there is no credential ${id}: list them with \`gatehouse credentials\``,
      );
    return found;
  });
}

/** The new authority for each usage to be rotated, and how long the new state is observed. */
export interface RotationRequest extends PlanRequest {
  readonly successors: readonly {
    readonly usage: AuthorityUsage;
    readonly to: AuthorityId;
    readonly subject: string;
    readonly given?: GivenAuthority;
  }[];
  readonly observeSeconds: number;
  /** The keys of the present authorities are lost. */
  readonly isKeyLost?: boolean;
  /** For a service; absent: `overlap` where its servers can trust two CAs at once. */
  readonly strategy?: Strategy;
}

/**
 * Plans the replacement of the current authority of each given usage, in the order introduce,
 * issue, reissue, observe, retire. Everybody trusts the new authority, proven
 * edge by edge, before anybody presents it; everybody presents it before the old one is retired.
 */
export function planRotateCa(snapshot: DomainSnapshot, request: RotationRequest): Plan {
  const { successors, observeSeconds, isKeyLost = false, strategy: wanted, ...plan } = request;
  const successions = successors.map((successor) => ({
    ...successionOf(snapshot, successor),
    ...(isKeyLost ? { isKeyLost } : {}),
  }));
  const usages = successions.map((succession) => succession.usage);
  const [ofService] = successions.filter(({ usage }) => isServiceUsage(usage));
  if (ofService !== undefined && successions.length > 1)
    throw new DomainError(
      "invalid-input",
      "the CA of a service is replaced by a plan of its own: name that service alone",
    );
  const strategy = wanted ?? strategyFor(snapshot, ofService);
  const concerned = snapshot.credentials.filter((credential) => usages.includes(credential.usage));
  const unprovable = [
    ...usages.map((usage) => unmanagedCallers(usage, nameOf(snapshot, usage))),
    ...foreignHolders(
      snapshot,
      successions.map(({ from }) => from),
    ),
  ];
  return {
    ...plan,
    kind: "rotate-ca",
    title: titleOf(snapshot, successions),
    parentRevision: snapshot.revision,
    createdAtMs: snapshot.nowMs,
    successions,
    replaced: concerned.map((credential) => credential.id),
    unprovable,
    problems: [
      ...absentHosts(snapshot),
      ...absentParties(snapshot),
      ...successions.flatMap(unprobed),
      ...subjectsTaken(snapshot, successions),
      ...successions.flatMap((succession) => signsAlready(snapshot, succession)),
      ...successions.flatMap((succession) => serviceNotes(snapshot, succession, strategy)),
    ],
    steps:
      ofService === undefined
        ? ownSteps(snapshot, { successions, concerned, unprovable, observeSeconds })
        : [
            ...serviceRotationSteps(snapshot, ofService, {
              unmanaged: unprovable.map(({ subject }) => subject),
              observeSeconds,
              strategy,
            }),
            forgetStep,
          ],
  };
}

function strategyFor({ topology }: DomainSnapshot, ofService: Succession | undefined): Strategy {
  const service = topology.services.find(({ id }) => id === ofService?.usage);
  return service?.driver.traits.overlap === false ? "documented" : "overlap";
}

/**
 * Plans that the members of a service which run with what they came with get credentials of the service's
 * authority, in the documented order. Throws `conflict` where they have them already.
 */
export function planTakeOver(
  snapshot: DomainSnapshot,
  request: PlanRequest & { readonly service: ServiceId },
): Plan {
  const { service: id, ...plan } = request;
  const service = snapshot.topology.services.find((each) => each.id === id);
  const concerned = snapshot.credentials.filter(({ usage }) => usage === id);
  if (service === undefined || concerned.some(({ desired }) => desired.maxSequence !== 0))
    throw new DomainError(
      "conflict",
      `the members of ${service?.name ?? id} have credentials of their service already: \`gatehouse plan rotate-ca --service ${service?.name ?? id}\` replaces them`,
    );
  return {
    ...plan,
    kind: "take-over",
    title: `Give ${service.name} credentials of its own`,
    parentRevision: snapshot.revision,
    createdAtMs: snapshot.nowMs,
    successions: [],
    replaced: concerned.map((credential) => credential.id),
    unprovable: [],
    problems: [...absentHosts(snapshot), ...serviceNotes(snapshot, { usage: id }, "documented")],
    steps: takeOverSteps(snapshot, id),
  };
}

/** The steps for authorities of our own processes. */
function ownSteps(
  snapshot: DomainSnapshot,
  of: {
    readonly successions: readonly Succession[];
    readonly concerned: readonly Credential[];
    readonly unprovable: readonly Finding[];
    readonly observeSeconds: number;
  },
): Step[] {
  const { successions, concerned, unprovable, observeSeconds } = of;
  return rotationSteps({
    successions,
    collect: successions.flatMap(({ given, to, usage }) =>
      given === undefined
        ? []
        : collectSteps(
            concerned.filter((credential) => credential.usage === usage),
            { id: to, usage },
          ),
    ),
    reissue: reissueSteps(snapshot, concerned),
    unmanaged: unprovable.map((finding) => finding.subject),
    observeSeconds,
  });
}

function titleOf(snapshot: DomainSnapshot, successions: readonly Succession[]): string {
  const [given] = successions.flatMap((succession) => succession.given ?? []);
  if (given === undefined) {
    const usages = successions.map(({ usage }) => nameOf(snapshot, usage)).join(" and ");
    return successions.some(({ isKeyLost }) => isKeyLost)
      ? `Replace the ${usages} CA, whose key is lost`
      : `Rotate the ${usages} CA`;
  }
  return given.signing === "external"
    ? "Have the management certificates signed by an external CA"
    : "Have the management certificates signed by a CA that you provide";
}

function preparationOf(successions: readonly Succession[]): string {
  if (successions.every(({ given }) => given !== undefined)) return "Take over the new CA";
  return successions.some(({ isKeyLost }) => isKeyLost)
    ? "Make the new CA, which every Admin Node Manager gets the key of"
    : "Make the new CA and its cross-certificate";
}

/** Without its key there are no probes: it says so before anything is touched. */
function unprobed({ given, to, subject }: Succession): Finding[] {
  if (given === undefined) return [];
  return [
    {
      code: "edges-not-probed",
      severity: "warning",
      subject: to,
      text: `${subject} signs elsewhere, so no probe can prove trust in it: that everybody has loaded it is proven, and the canary is the first that presents a certificate of it`,
    },
  ];
}

function isCurrentElsewhere(authority: Authority): boolean {
  return authority.status === "current" && isSignedElsewhere(authority);
}

/** One manifest out, with the request of every credential, and the certificates in, before any is presented. */
function collectSteps(
  credentials: readonly Credential[],
  authority: Pick<Authority, "id" | "usage"> | undefined,
): Step[] {
  const ids = credentials.filter(({ usage }) => usage === authority?.usage).map(({ id }) => id);
  if (authority === undefined || ids.length === 0) return [];
  return [
    {
      id: "collect",
      phase: "collect",
      title: `Have ${ids.length === 1 ? "one certificate" : `${ids.length} certificates`} signed elsewhere`,
      edit: { do: "collect", credentials: ids, authority: authority.id },
      gate: [{ require: "signed", credentials: ids }],
    },
  ];
}

function rotationSteps(of: {
  readonly successions: readonly Succession[];
  readonly collect: readonly Step[];
  readonly reissue: readonly Step[];
  readonly unmanaged: readonly string[];
  readonly observeSeconds: number;
}): Step[] {
  const { successions } = of;
  const usages = successions.map((succession) => succession.usage);
  const next = successions.map((succession) => succession.to);
  const proven = successions.flatMap(({ given, to }) => (given === undefined ? [to] : []));
  const old = successions.map((succession) => succession.from);
  return [
    {
      id: "prepare",
      phase: "prepare",
      title: preparationOf(successions),
      edit: { do: "create-authorities", successions },
      gate: [],
    },
    {
      id: "introduce",
      phase: "introduce",
      title: "Trust the old and the new CA everywhere",
      edit: { do: "trust", authorities: next },
      gate: [
        { require: "trust-loaded" },
        ...(proven.length > 0 ? [{ require: "edges-proven", authorities: proven } as const] : []),
      ],
    },
    ...of.collect,
    {
      id: "issue",
      phase: "issue",
      title: "Sign new requests with the new CA",
      edit: { do: "make-current", authorities: next },
      gate: [{ require: "trust-loaded" }],
    },
    ...of.reissue,
    {
      id: "reissue-rest",
      phase: "reissue",
      title: "Reissue what was created under the old CA in the meantime",
      edit: { do: "reissue-rest", usages },
      gate: [{ require: "all-presented", usages }],
    },
    ...endingSteps({ usages, old, unmanaged: of.unmanaged, observeSeconds: of.observeSeconds }),
  ];
}

function endingSteps(of: {
  readonly usages: readonly AuthorityUsage[];
  readonly old: readonly AuthorityId[];
  readonly unmanaged: readonly string[];
  readonly observeSeconds: number;
}): Step[] {
  const { usages, old } = of;
  return [
    {
      id: "observe",
      phase: "observe",
      title: "Watch that everything holds under the new CA",
      edit: { do: "watch" },
      gate: [
        { require: "trust-loaded" },
        { require: "all-presented", usages },
        { require: "unmanaged-waived", subjects: of.unmanaged },
        { require: "held-for", seconds: of.observeSeconds },
      ],
    },
    {
      id: "retire",
      phase: "retire",
      title: "Stop trusting the old CA",
      edit: { do: "distrust", authorities: old, deny: false },
      gate: [
        { require: "trust-loaded" },
        { require: "old-connections-closed" },
        { require: "all-presented", usages },
      ],
    },
    forgetStep,
  ];
}

function successionOf(
  snapshot: DomainSnapshot,
  successor: RotationRequest["successors"][number],
): Succession {
  const from = snapshot.authorities.find(
    (authority) => authority.usage === successor.usage && authority.status === "current",
  );
  if (from === undefined)
    throw new DomainError(
      "authority-unavailable",
      `there is no current ${successor.usage} authority to rotate`,
    );
  return { ...successor, from: from.id };
}

const forgetStep: Step = {
  id: "forget",
  phase: "retire",
  title: "Forget the superseded keys",
  edit: { do: "forget-superseded" },
  gate: [],
};

function reissueSteps(snapshot: DomainSnapshot, credentials: readonly Credential[]): Step[] {
  return wavesOf(snapshot.topology, credentials).map((wave, i, waves) => ({
    id: `reissue-${i + 1}`,
    phase: "reissue",
    title: `Reissue ${i === 0 ? "the canary" : `wave ${i} of ${waves.length - 1}`}: ${wave.length === 1 ? wave[0] : `${wave.length} credentials`}`,
    edit: { do: "reissue", credentials: wave },
    gate: [{ require: "presented", credentials: wave }],
  }));
}

/** Hosts that would block the plan at its first gate: said before it starts. */
function absentHosts(snapshot: DomainSnapshot): Finding[] {
  const { hostOf } = arrangeEvidence(snapshot);
  return snapshot.topology.hosts
    .filter(({ id, status }) => status === "active" && isSilent(snapshot, hostOf.get(id)))
    .map(({ id, name }) => ({
      code: "host-silent",
      severity: "warning",
      subject: id,
      text: `host ${name} (${id}) is not connected: the rollout will wait for it, unless it is waived`,
    }));
}

/** The same for managed relying parties, whom only a change of trust waits for. */
function absentParties(snapshot: DomainSnapshot): Finding[] {
  const { partyOf } = arrangeEvidence(snapshot);
  return snapshot.topology.relyingParties
    .filter(({ id }) => isSilent(snapshot, partyOf.get(id)))
    .map(({ id, name }) => ({
      code: "relying-party-silent",
      severity: "warning",
      subject: id,
      text: `relying party ${name} (${id}) does not report: the rollout will wait for it, unless it is waived or deleted`,
    }));
}

function subjectsTaken(snapshot: DomainSnapshot, successions: readonly Succession[]): Finding[] {
  return successions
    .filter(({ subject, given }) =>
      snapshot.authorities.some(
        (authority) =>
          authority.subject === subject && authority.certificatePem !== given?.certificatePem,
      ),
    )
    .map(({ subject }) => ({
      code: "subject-taken",
      severity: "error",
      subject,
      text: `an earlier CA of this domain is named ${subject}: verifiers that know both would confuse them, choose another name`,
    }));
}

/** Another intermediate of the same root is another CA; the same one cannot be introduced and retired while it is in use. */
function signsAlready(snapshot: DomainSnapshot, { given, subject }: Succession): Finding[] {
  const isTrusted = snapshot.authorities.some(
    ({ certificatePem, intermediatesPem, status }) =>
      certificatePem === given?.certificatePem &&
      intermediatesPem === given.intermediatesPem &&
      !["retired", "abandoned"].includes(status),
  );
  if (!isTrusted) return [];
  const text = `the CA ${subject} is trusted here already, and signs or is about to: there is nothing to change`;
  return [{ code: "signs-already", severity: "error", subject, text }];
}

/** As a person knows it: a service by its name. */
function nameOf({ topology }: DomainSnapshot, usage: AuthorityUsage): string {
  return topology.services.find(({ id }) => id === usage)?.name ?? usage;
}

function unmanagedCallers(usage: AuthorityUsage, name: string): Finding {
  const callers = {
    management: "browsers and remote command lines that call an Admin Node Manager",
    traffic: "callers of the gateways that are not managed relying parties",
  };
  const who = isServiceUsage(usage) ? `clients of ${name}` : callers[usage];
  return {
    code: "unmanaged-callers",
    severity: "warning",
    subject: `unmanaged:${usage}`,
    text: `${who} cannot be observed: give them the new CA, then waive unmanaged:${usage} before the old CA is retired`,
  };
}
