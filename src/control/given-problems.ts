import type { Finding } from "../domain/index.ts";
import type { GivenAuthority } from "../planning/index.ts";
import {
  authorityProblems,
  leafTemplate,
  parseCertificatesPem,
  type AuthorityProblem,
} from "../pki/index.ts";
import { authorityChain } from "./authority-chain.ts";
import type { ControlEnvironment } from "./environment.ts";
import { leafNames } from "./leaf-names.ts";
import type { StoreView } from "./ports.ts";
import { requireHost } from "./publish-trust.ts";

/** What keeps a CA that somebody brings from issuing what the domain needs, with what it would break. */
export async function givenProblems(
  view: StoreView,
  env: Pick<ControlEnvironment, "clock" | "crypto">,
  given: GivenAuthority,
): Promise<Finding[]> {
  const credentials = (await view.credentials.all()).filter(({ usage }) => usage === "management");
  const leaves = await Promise.all(
    credentials.map(async (credential) => {
      const names = await leafNames(view, credential, await requireHost(view, credential.hostId));
      const { subjectAltName, profile } = leafTemplate(names);
      const { extendedKeyUsage } = profile;
      return { name: credential.process, subjectAltName, extendedKeyUsage };
    }),
  );
  const earlier = (await view.authorities.all()).flatMap(({ certificatePem }) =>
    parseCertificatesPem(certificatePem),
  );
  const id = "given" as never;
  const chain = authorityChain({ id, ...given });
  const input = { chain, earlier, leaves, atMs: env.clock.nowMs() };
  return authorityProblems(input, env.crypto).map(findingOf);
}

function findingOf({ code, message, breaks }: AuthorityProblem): Finding {
  const whom = breaks.length === 0 ? "" : `; it would break ${breaks.join(", ")}`;
  return { code: `ca-${code}`, severity: "error", subject: "management", text: message + whom };
}
