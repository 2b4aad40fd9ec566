import { createHash } from "node:crypto";
import { DomainError, isDomainError, type HostId } from "../kit/index.ts";
import {
  credentialId,
  presentationProofText,
  type Envelope,
  type HostDocument,
  type RestorationQuestion,
} from "../domain/index.ts";
import type { RouteBody } from "../contract/index.ts";
import { parseCertificatesPem, spkiFingerprint } from "../pki/index.ts";
import { hearHost, recordKeyCopies, waiveUnheard, type TrustLink } from "../control/index.ts";
import { nodeCryptoPort, verifyEnvelope } from "../keys/index.ts";
import type { AdminState } from "./admin-state.ts";
import type { Handlers } from "./handlers.ts";
import { giveNonce, spendNonce } from "./nonces.ts";

type Presentation = RouteBody<"presentTrust">;

export const restorationHandlers: Handlers<
  "recordKeyCopies" | "getRestoration" | "presentTrust" | "waiveUnheard"
> = {
  async recordKeyCopies({ env }, { body, actor }) {
    await recordKeyCopies(env, { ...body, actor });
    return null;
  },
  async getRestoration(state, { body }) {
    const { env } = state;
    const { restoration } = await env.store.read((view) => view.topology.domain());
    if (restoration === undefined) return { question: null };
    await state.refreshTrust();
    const question: RestorationQuestion = {
      domain: state.trust.document.domain,
      challenge: body.challenge,
      nonce: giveNonce(state),
      after: state.trust.epoch,
      certificatePem: state.identity.certificatePem,
    };
    return {
      question: await env.trustKey.sign("restoration", Buffer.from(JSON.stringify(question))),
    };
  },
  async presentTrust(state, { body }) {
    spendNonce(state, body.nonce);
    const { hostId, epoch, trustHash } = body;
    const document = hostDocument(state, body);
    await requireProof(state, body, document);
    if (body.links.length === 0 && (await isHeard(state, hostId))) return { isNews: false };
    try {
      await hearHost(state.env, {
        hostId,
        epoch,
        trustHash,
        document,
        links: await continuation(state, body.links),
        certificates: body.certificates.flatMap(({ certificatePem, ...shown }) => {
          const [certificate] = parseCertificatesPem(certificatePem);
          return certificate === undefined ? [] : [{ ...shown, certificate }];
        }),
        instances: body.instances,
      });
    } catch (error) {
      if (isDomainError(error, "stale-epoch") || isDomainError(error, "signature-invalid"))
        await state.env.store.read((view) => state.strays.note(view, hostId, { epoch, trustHash }));
      throw error;
    }
    state.log.info({ host: hostId, epoch }, "a host was heard of after the restore");
    await state.refreshTrust();
    return { isNews: true };
  },
  async waiveUnheard({ env }, { body, actor }) {
    await waiveUnheard(env, { ...body, actor });
    return null;
  },
};

/** It says the same again until there is news for it. */
async function isHeard({ env }: AdminState, hostId: HostId): Promise<boolean> {
  const { restoration } = await env.store.read((view) => view.topology.domain());
  return restoration?.heard.includes(hostId) === true;
}

/** The document that this domain has signed for the host. Throws `signature-invalid`. */
function hostDocument(
  state: AdminState,
  { hostId, hostDocument: sent }: Presentation,
): HostDocument {
  const payload = verifyEnvelope("host", sent, state.env.trustKey.spki);
  const document = JSON.parse(Buffer.from(payload).toString("utf8")) as HostDocument;
  if (document.domain === state.trust.document.domain && document.hostId === hostId)
    return document;
  throw new DomainError(
    "signature-invalid",
    `the host document is that of ${document.hostId} in domain ${document.domain}`,
  );
}

/** The key is one that the domain has recorded: by the signed document, or by the store. Throws `forbidden`. */
async function requireProof(
  { env }: AdminState,
  { hostId, nonce, epoch, trustHash, lastKey, proof }: Presentation,
  document: HostDocument,
): Promise<void> {
  const spki = Buffer.from(lastKey, "base64");
  const own = document.processes.find(({ role }) => role !== "gateway");
  const stored = await env.store.read(async (view) =>
    own === undefined ? undefined : view.credentials.get(credentialId(own.id, "management")),
  );
  const keys = new Set([...(own?.keys ?? []), ...(stored?.recorded ?? []).map((key) => key.spki)]);
  const text = presentationProofText({ hostId, nonce, epoch, trustHash });
  if (!keys.has(spkiFingerprint(spki, nodeCryptoPort)))
    throw new DomainError("forbidden", `the key of ${hostId} is not one that is recorded for it`);
  if (!nodeCryptoPort.verify(spki, Buffer.from(text), Buffer.from(proof, "base64"), "ecdsa-sha256"))
    throw new DomainError("forbidden", `the proof of ${hostId} does not verify`);
}

/** The links above the store's head, if they go on from it. Throws `stale-epoch`, `signature-invalid`. */
async function continuation(state: AdminState, links: readonly Envelope[]): Promise<TrustLink[]> {
  await state.refreshTrust();
  const before = state.trust.epoch;
  const trust = state.trust.copy();
  const added: TrustLink[] = [];
  for (const envelope of links) {
    trust.accept([envelope]);
    if (trust.epoch > before + added.length)
      added.push({ epoch: trust.epoch, hash: hashOf(envelope), envelope });
  }
  return added;
}

function hashOf({ payload }: Envelope): string {
  return createHash("sha256").update(Buffer.from(payload, "base64")).digest("hex");
}
