import { DomainError, isDomainError } from "../kit/index.ts";
import { anchorsFor, type Envelope, type TrustDocument } from "../domain/index.ts";
import { routes, trustLinksPerAnswerMax } from "../contract/index.ts";
import { ApiCaller } from "./api-caller.ts";
import type { DialledConnections } from "./dialled.ts";
import { LoadedTrust } from "./loaded-trust.ts";
import { fingerprintOfPem } from "./peer.ts";
import { otherServer } from "./reach-failure.ts";

export interface ServerAddress {
  readonly address: string;
  readonly port: number;
  /** Its connections, where it dials; absent: it is dialled at its address. */
  readonly dialled?: DialledConnections;
}

/** Path prefix of the API. */
export const apiPrefix = "/api/v1";

/**
 * Reads the trust chain above an epoch from a server that is not trusted. Nothing secret is sent,
 * and the links prove themselves to a caller who has pinned the trust-signing key. `timeoutMs` is
 * for each answer.
 */
export async function fetchTrustLinks(
  server: ServerAddress,
  after: number,
  timeoutMs = 30_000,
): Promise<Envelope[]> {
  const caller = new ApiCaller({ ...server, prefix: apiPrefix }, { rejectUnauthorized: false });
  const links: Envelope[] = [];
  try {
    for (;;) {
      const query = { after: after + links.length };
      const answer = (await caller
        .call(routes.getTrust, { query, timeoutMs })
        .catch((error: unknown) => {
          throw isRefusal(error) ? otherServer(server, error) : error;
        })) as { links: Envelope[] };
      links.push(...answer.links);
      if (answer.links.length < trustLinksPerAnswerMax || links.length > trustLinksMax)
        return links;
    }
  } finally {
    caller.close();
  }
}

/** An Admin Node Manager gives the chain to everybody: what refuses it is another process. */
function isRefusal(error: unknown): boolean {
  return (
    isDomainError(error, "unauthenticated") ||
    isDomainError(error, "forbidden") ||
    isDomainError(error, "not-found")
  );
}

/** More than any domain makes: a server that goes on for longer is not one of ours. */
const trustLinksMax = 1_000_000;

/** Loads the trust of a domain whose trust-signing key is pinned, from a server not trusted yet. */
export async function fetchPinnedTrust(
  server: ServerAddress,
  trustKeyId: string,
): Promise<LoadedTrust> {
  const trust = new LoadedTrust(trustKeyId);
  trust.accept(await fetchTrustLinks(server, 0));
  if (trust.epoch === 0)
    throw new DomainError(
      "untrusted-server",
      `${server.address}:${server.port} has no trust document: it is not a running Admin Node Manager`,
    );
  return trust;
}

/** What a person may compare: the management CAs that a server claims, with their fingerprints. */
export interface ClaimedAuthority {
  readonly certificatePem: string;
  /** Hex SHA-256 of the certificate. */
  readonly fingerprint: string;
}

/** The management CAs that a server claims. Unverified: for comparison with a known fingerprint only. */
export async function fetchClaimedAuthorities(server: ServerAddress): Promise<ClaimedAuthority[]> {
  const links = await fetchTrustLinks(server, 0);
  const newest = links.at(-1);
  if (newest === undefined)
    throw new DomainError(
      "untrusted-server",
      `${server.address}:${server.port} has no trust document: it is not a running Admin Node Manager`,
    );
  const document = JSON.parse(
    Buffer.from(newest.payload, "base64").toString("utf8"),
  ) as TrustDocument;
  return anchorsFor(document, "management").map(({ certificatePem }) => ({
    certificatePem,
    fingerprint: fingerprintOfPem(certificatePem),
  }));
}

/** Lower-case hexadecimal of a fingerprint as people write it: with colons, spaces, `sha256:` or not. */
export function normalizeFingerprint(text: string): string {
  const hex = text
    .trim()
    .replace(/^sha-?256[:=]?\s*/i, "")
    .replaceAll(/[:\s]/g, "")
    .toLowerCase();
  if (/^[0-9a-f]{64}$/.test(hex)) return hex;
  throw new DomainError(
    "invalid-input",
    "the fingerprint is not a SHA-256 one: give the 64 hexadecimal digits that `managedomain --initialize` printed",
  );
}
