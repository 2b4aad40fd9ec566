import { DomainError, type CredentialId } from "../../kit/index.ts";
import type { RolloutView } from "../../contract/index.ts";
import { certificatesPem } from "../../keys/index.ts";
import type { Admin } from "../admin-session.ts";
import { signingOptions, type SigningMode } from "./choice.ts";
import type { ProvidedCa } from "./provided-ca.ts";

type Rollout = RolloutView["rollout"];
type Succession = Rollout["successions"][number];

/** A rotation of the management CA that is under way. */
export interface OpenRotation {
  readonly rollout: Rollout;
  /** How the CA that comes signs. */
  readonly mode: SigningMode;
}

/**
 * The rotation of the management CA that is under way, which a host's regeneration takes part in;
 * null: none is. Throws `conflict` where it goes back, or leads to another way of signing or another CA
 * than was chosen.
 */
export async function openRotation(
  admin: Admin,
  chosen: SigningMode | null,
  ca: ProvidedCa | null,
): Promise<OpenRotation | null> {
  const { rollouts } = await admin.call("listRollouts");
  for (const { rollout } of rollouts) {
    const succession = rollout.successions.find(({ usage }) => usage === "management");
    const isOver = rollout.status === "completed" || rollout.status === "rolled-back";
    if (succession === undefined || isOver) continue;
    if (rollout.status === "rolling-back" || rollout.pausedFrom === "rolling-back")
      throw new DomainError(
        "rollout-active",
        `rollout ${rollout.id} (${rollout.title}) is being rolled back: wait until it has ended, then run this again`,
      );
    return { rollout, mode: modeOf(rollout, succession, chosen, ca) };
  }
  return null;
}

function modeOf(
  { id, title }: Rollout,
  { given, subject }: Succession,
  chosen: SigningMode | null,
  ca: ProvidedCa | null,
): SigningMode {
  const mode = given?.signing ?? "generated";
  if (chosen !== null && chosen !== mode)
    throw new DomainError(
      "conflict",
      `rollout ${id} (${title}) makes this domain sign with --${signingOptions[mode]}: give that instead of --${signingOptions[chosen]}, or take it back with \`gatehouse rollout rollback ${id}\``,
    );
  const root = ca?.chain.at(-1);
  if (root !== undefined && certificatesPem([root]) !== given?.certificatePem)
    throw new DomainError(
      "conflict",
      `the CA in the file of --ca is not the one that rollout ${id} introduces, ${subject}: give the file of that one`,
    );
  return mode;
}

/** True once a rollout has replaced these credentials, each seen on the wire; the rest of it may go on. */
export function hasReplaced(rollout: Rollout, credentials: readonly CredentialId[]): boolean {
  const concerns = ({ edit }: Rollout["todo"][number]): boolean =>
    edit.do === "reissue" && edit.credentials.some((id) => credentials.includes(id));
  const begun = rollout.done.filter(({ step }) => concerns(step));
  if (rollout.todo.some(concerns)) return false;
  // Of what came to be after the plan was made, the step for the rest takes care.
  if (begun.length === 0)
    return rollout.done.some(
      ({ step, heldAtMs }) => step.edit.do === "reissue-rest" && heldAtMs !== null,
    );
  return begun.every(({ heldAtMs }) => heldAtMs !== null);
}

/** True once a rollout has asked for the certificates that are signed elsewhere. */
export function hasCollected({ done }: Rollout): boolean {
  return done.some(({ step }) => step.edit.do === "collect");
}
