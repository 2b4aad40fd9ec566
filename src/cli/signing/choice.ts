import { DomainError } from "../../kit/index.ts";
import { certificatesPem } from "../../keys/index.ts";
import type { Admin } from "../admin-session.ts";
import type { ProvidedCa } from "./provided-ca.ts";

/** The documented ways of having certificates signed. */
export type SigningMode = "generated" | "provided" | "external";

/** The option of `managedomain` that chooses each. */
export const signingOptions = {
  generated: "sign_with_generated",
  provided: "sign_with_user_provided",
  external: "sign_with_external_ca",
} as const satisfies Record<SigningMode, string>;

/** How the domain's management certificates are signed. */
interface DomainSigning {
  readonly mode: SigningMode;
  /** By hand, with a key that no Admin Node Manager holds. */
  readonly isElsewhere: boolean;
}

/** How this domain signs. Throws `conflict` where another way was chosen than that, or another CA. */
export async function domainSigning(
  admin: Admin,
  chosen: SigningMode | null,
  ca: ProvidedCa | null = null,
): Promise<DomainSigning> {
  const { authorities } = await admin.call("listAuthorities");
  const current = authorities.find(
    ({ usage, status }) => usage === "management" && status === "current",
  );
  const { signing = "generated", holders = [] } = current ?? {};
  requireMode(chosen, signing);
  const root = ca?.chain.at(-1);
  if (
    root !== undefined &&
    current !== undefined &&
    certificatesPem([root]) !== current.certificatePem
  )
    throw new DomainError(
      "conflict",
      `the CA in the file of --ca is not the one that signs for this domain, ${current.subject}: \`gatehouse plan change-signing provided --ca FILE\` changes to it`,
    );
  return { mode: signing, isElsewhere: signing !== "generated" && holders.length === 0 };
}

/** Throws `conflict` where another way was chosen than that of the domain. */
export function requireMode(chosen: SigningMode | null, domain: SigningMode): void {
  if (chosen === null || chosen === domain) return;
  const ca = chosen === "generated" ? "" : " --ca FILE";
  throw new DomainError(
    "conflict",
    `--${signingOptions[chosen]} is not how this domain signs: leave it out, or give --${signingOptions[domain]}; to change the whole domain, without an interruption, run \`gatehouse plan change-signing ${chosen}${ca} --start --follow\``,
  );
}
