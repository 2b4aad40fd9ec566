import { DomainError, type AuthorityId } from "../kit/index.ts";
import type { Authority } from "../domain/index.ts";
import type { ControlEnvironment } from "./environment.ts";
import type { StoreView } from "./ports.ts";

/**
 * The authority whose key in a token may be destroyed: it signs nothing any more. Throws `not-found`,
 * `not-supported` for a key in files, `conflict` for a CA that is in use.
 */
export async function destroyableKey(view: StoreView, id: AuthorityId): Promise<Authority> {
  const authority = await view.authorities.get(id);
  if (authority === undefined)
    throw new DomainError(
      "not-found",
      `there is no authority ${id} in this domain: \`gatehouse authorities\` lists them`,
    );
  const { status, token } = authority;
  if (token === undefined)
    throw new DomainError("not-supported", `the key of ${id} is not in a token`);
  if (status !== "retired" && status !== "abandoned")
    throw new DomainError(
      "conflict",
      `${id} is ${status}: its key is destroyed when the CA is retired, which \`gatehouse plan rotate-ca\` leads to`,
    );
  return authority;
}

/** Puts on record that the key of an authority was destroyed in its token: nobody holds it any more. */
export async function recordKeyDestroyed(
  env: ControlEnvironment,
  of: { readonly id: AuthorityId; readonly wasThere: boolean; readonly actor: string },
): Promise<void> {
  const { id, wasThere, actor } = of;
  const { token = { token: "", label: "" } } = await env.store.read((view) =>
    destroyableKey(view, id),
  );
  const detail = { ...token, found: wasThere ? "yes" : "no" };
  await env.store.write(
    { actor, action: "authority.key-destroyed", subject: id, detail },
    async (tx) => {
      await tx.authorities.put({ ...(await destroyableKey(tx, id)), holders: [] });
    },
  );
}
