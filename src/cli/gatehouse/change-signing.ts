import { DomainError } from "../../kit/index.ts";
import type { RouteBody } from "../../contract/index.ts";
import { certificatesPem, readCertificateFiles, sortChain } from "../../keys/index.ts";
import type { CommandContext } from "../command-context.ts";
import { parseObserveSeconds } from "../duration.ts";
import { readSecret, shellCommand } from "../secret-source.ts";
import { openProvidedCa, type Certificate, type ProvidedCa } from "../signing/provided-ca.ts";
import { makePlan, type PlanWish } from "./plan.ts";

export interface ChangeWish extends Omit<PlanWish, "body" | "ca"> {
  readonly way: string;
  readonly options: SigningOptions;
}

/** The options of the command, as they were given. */
export interface SigningOptions {
  readonly ca?: string;
  readonly passphraseFile?: string;
  readonly passphraseExec?: string;
  readonly observe: string;
  readonly subject?: string;
}

type Rotation = Extract<RouteBody<"createPlan">, { kind: "rotate-ca" }>;

/** `gatehouse plan change-signing`: everybody trusts the new CA before anybody presents its certificate. */
export async function changeSigning(context: CommandContext, wish: ChangeWish): Promise<void> {
  const { options, starts, follows, waiverReason } = wish;
  const body: Rotation = {
    kind: "rotate-ca",
    usages: ["management"],
    observeSeconds: parseObserveSeconds(options.observe),
    subject: options.subject ?? null,
  };
  const rest = { starts, follows, waiverReason };
  switch (wish.way) {
    case "generated":
      if (options.ca !== undefined)
        throw new DomainError(
          "usage",
          "change-signing generated makes the new CA itself: leave out --ca",
        );
      return makePlan(context, { body: { ...body, signing: "generated" }, ...rest });
    case "external": {
      const certificates = await readCertificateFiles([caFile(wish)]);
      return makePlan(context, { body: withAuthority(body, "external", certificates), ...rest });
    }
    case "provided": {
      const exec = options.passphraseExec;
      const source = {
        file: options.passphraseFile,
        exec: exec === undefined ? undefined : shellCommand(exec),
      };
      const passphrase = (await readSecret(source, "passphrase")) ?? "";
      const ca: ProvidedCa = await openProvidedCa(caFile(wish), passphrase, context.options.home);
      const planned = withAuthority(body, "provided", ca.chain);
      return makePlan(context, { body: planned, ca, ...rest });
    }
    default:
      throw new DomainError(
        "usage",
        `certificates are signed in the way generated, provided or external, not ${JSON.stringify(wish.way)}`,
      );
  }
}

function caFile({ way, options: { ca } }: ChangeWish): string {
  if (ca !== undefined) return ca;
  throw new DomainError("usage", `change-signing ${way} needs --ca: the CA that is to sign`);
}

function withAuthority(
  body: Rotation,
  signing: "provided" | "external",
  certificates: readonly Certificate[],
): Rotation {
  const { root, intermediates } = sortChain(certificates);
  return {
    ...body,
    authority: {
      signing,
      certificatePem: certificatesPem([root]),
      intermediatesPem: certificatesPem(intermediates),
    },
  };
}
